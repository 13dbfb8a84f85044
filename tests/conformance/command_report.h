// What `--json` and messages of the command say.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tenon::test {

using Json = nlohmann::json;

// Stdout as one JSON object.
inline Json object(const Ran& ran) {
  INFO(ran.out);
  INFO(ran.err);
  const Json parsed = Json::parse(ran.out, nullptr, false);
  REQUIRE(parsed.is_object());
  REQUIRE(parsed["exit"] == ran.status);
  REQUIRE(parsed["ok"] == (ran.status == 0));
  return parsed;
}

// Where training left its state when it could not be written to its place.
inline std::string rescued_to(const Ran& ran) {
  const std::string said = "the trained state was written to ";
  const size_t at = ran.err.find(said);
  INFO(ran.err);
  REQUIRE(at != std::string::npos);
  const size_t begin = at + said.size();
  return ran.err.substr(begin, ran.err.find('\n', begin) - begin);
}

}  // namespace tenon::test
