// Printer of the text form (.tenon). parse(print(m)) == m, and print(parse(print(m))) == print(m) byte by
// byte.
#pragma once

#include <functional>
#include <string>

#include "ir/graph.h"
#include "support/hash.h"

namespace tenon::ir {

struct PrintOptions {
  bool locations = true;       // trailing "@line"
  bool comments = true;        // those above declarations
  bool bodies = false;         // also print composites' bodies as comments
  size_t large_constant = 64;  // elements from which a constant prints as `data("hash")` and goes to `side`
  // Receives each large constant once (name = hash of its content); null: large constants print in full.
  std::function<void(const std::string& hash, const Array& array)> side;
};

std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Function& function, const Module& module, const PrintOptions& options = {});
// Hash of the printed module without locations: the changed-flag of the pass manager and cache keys.
Hasher structural_hash(const Module& module);
// Short text of one node for diagnostics and explanations: "h = relu h0 : f32[batch,128]".
std::string node_text(const Graph& graph, NodeId node);
// The same with names at hand (value_names), for many nodes of one graph.
std::string node_text(const Graph& graph, NodeId node, const std::vector<std::string>& names);
// Text of a constant's elements: "0.5", "[[1, 2], [3, 4]]". Of an attribute: "0.2", "[0, 1]", "mean".
std::string array_text(const Array& array);
std::string attr_text(const Attr& attr);
// A name as it stands in text: plain, or quoted where it would read as something else.
std::string name_text(std::string_view name);
// Hash by which a large constant is named in text and side files.
std::string array_hash(const Array& array);
// Unique printable name of each value (its own, or v<n>), indexed by ValueId.
std::vector<std::string> value_names(const Graph& graph);
// Gives every value, in regions too, the name that it prints by.
void name_values(Graph& graph);

}  // namespace tenon::ir
