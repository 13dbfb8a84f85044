// The little JSON that the runtime writes: strings and numbers as text, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace tenon::runtime {

// A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD, so the output always parses.
std::string json_text(std::string_view text);
// The shortest text that reads back; null for what JSON cannot say (NaN, infinities).
std::string json_number(double value);
bool valid_utf8(std::string_view text);

}  // namespace tenon::runtime
