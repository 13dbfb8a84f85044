// Names of the generated C: identifiers made of names of a model, none of which is a word of C or C++, of the
// headers that the generated ones include, or another name of the same place. A name keeps its spelling where
// that is possible. Users' names are claimed first; those of the header's own make way.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::c_interface {

// Whether C or C++ reads this identifier as something else: keywords of both, their alternative tokens,
// predefined macros, and the types and macros of <stddef.h>, <stdint.h>, <stdio.h>, <stdlib.h>, <string.h>.
bool c_taken_word(std::string_view identifier);
// All of them that are listed (besides, what begins with __ or _X is taken); sorted.
const std::vector<std::string_view>& c_taken_words();
// Letters, digits and _ of a name, no digit first; the others become _.
std::string c_identifier(std::string_view name);
std::string c_upper(std::string_view name);
// Whether names can begin with this and a _, in both cases: an identifier, and none that begins a name which
// C and C++ keep for themselves. A file's name made into one: "out/my-net" gives my_net.
bool c_prefix(std::string_view text);
std::string c_prefix_of(std::string_view path);

// The names of one place: a file, the parameters of a function, the fields of a struct. What is taken in
// `outer` is taken here too.
class CNames {
 public:
  explicit CNames(const CNames* outer = nullptr) : outer_(outer) {}
  // An identifier for the name, with as many _ behind it as make it new.
  std::string claim(std::string_view name);
  // The same for the ending of names that stand behind a stem: "train" where <stem>train is new.
  std::string claim_ending(std::string_view stem, std::string_view name);
  // Keeps identifiers from what is claimed later.
  void take(std::string identifier) { names_.insert(std::move(identifier)); }
  bool free(const std::string& identifier) const;

 private:
  const CNames* outer_;
  std::set<std::string> names_;
};

}  // namespace tenon::c_interface
