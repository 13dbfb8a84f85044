// Work in a process of its own: what ends that process, an allocation of LLVM's that fails or a fault of its
// own, is an error here. The process is a copy of this one (fork) that calls nothing of the host's.
#pragma once

#include <functional>
#include <shared_mutex>

#include "object/object.h"

namespace tenon::object {

// work() in a child process, its object or errors through a pipe. T503 where the child ends without them,
// T611 where there is no process to be had.
Result<Object> isolated(const std::function<Result<Object>()>& work);

// Held, shared, by threads inside LLVM, so that no copy of the process is made while they hold its locks.
std::shared_timed_mutex& inside_llvm();

}  // namespace tenon::object
