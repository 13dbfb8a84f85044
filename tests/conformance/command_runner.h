// Runs the command as its users do: in a process of its own, in a folder of its own.
#pragma once

#include <string>
#include <vector>

namespace tenon::test {

struct Ran {
  int status = -1;  // exit status; -1: ended by a signal, or not started
  int signal = 0;
  std::string out, err;
};

// A folder that vanishes with all that is in it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  bool has(const std::string& name) const;

  // A line of the shell, in which `tenon` is the command under test.
  Ran shell(const std::string& line) const;
  Ran tenon(const std::string& arguments) const { return shell("tenon " + arguments); }

 private:
  std::string path_;
};

// Paths of the examples' models, sorted: all, or those that are compiled in a second or two.
enum class Examples { quick, all };
std::vector<std::string> example_models(Examples which);

}  // namespace tenon::test
