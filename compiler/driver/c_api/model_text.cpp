// C API: types and initializers, which models take as text.
#include "driver/c_api/model.h"
#include "support/text.h"

namespace tenon::driver::c_api {

Status no_open_loop(const tenon_model& model) {
  if (model.bodies.empty()) return Ok{};
  return error(Code::bad_option, "a loop is still open", "end it first");
}

Result<ir::Type> parse_type(std::string_view text, const ir::DimRanges& dims) {
  text = trim(text);
  const size_t open = text.find('[');
  const auto dtype = parse_dtype(trim(text.substr(0, open)));
  if (!dtype || open == std::string_view::npos || text.back() != ']')
    return error(Code::syntax, "not a type: " + quote(text), "as in f32[batch,784]");
  ir::Type out{*dtype, {}};
  const std::string_view inside = trim(text.substr(open + 1, text.size() - open - 2));
  if (inside.empty()) return out;
  if (inside.size() > size_t{1} << 16) return error(Code::text_limit, "a type is too long");
  for (std::string_view extent : split(inside, ',')) {
    TENON_ASSIGN(ir::Dim dim, ir::parse_dim(trim(extent), &dims));
    out.shape.push_back(std::move(dim));
  }
  if (out.shape.size() > ir::max_rank)
    return error(Code::rank_mismatch, "a type has rank " + std::to_string(out.shape.size()) + ", at most 8");
  return out;
}

Result<Number> parse_number(std::string_view text) {
  if (std::optional<Number> number = Number::parse(trim(text))) return std::move(*number);
  return error(Code::bad_literal, "not a number: " + quote(text.substr(0, 80)));
}

Result<ir::Init> parse_init(const char* text) {
  ir::Init out;
  if (text == nullptr) return out;
  std::string_view rest = trim(text);
  const size_t open = rest.find('(');
  out.name = trim(rest.substr(0, open));
  bool known = false;
  for (std::string_view name : ir::init_names) known = known || name == out.name;
  if (!known) {
    const std::string_view near = nearest(out.name, ir::init_names);
    return error(Code::undefined_name, "no initializer is named " + quote(out.name),
                 near.empty() ? "as in zeros, constant(0.5), uniform(-1, 1), glorot_uniform"
                              : "did you mean " + std::string(near) + "?");
  }
  if (open == std::string_view::npos) return out;
  if (rest.back() != ')')
    return error(Code::syntax, "not an initializer: " + quote(rest), "as in constant(0.5)");
  for (std::string_view item : split(rest.substr(open + 1, rest.size() - open - 2), ',')) {
    TENON_ASSIGN(Number number, parse_number(item));
    out.args.push_back(std::move(number));
  }
  return out;
}

}  // namespace tenon::driver::c_api
