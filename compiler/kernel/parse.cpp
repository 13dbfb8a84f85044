#include "kernel/parse_function.h"
#include "kernel/print.h"
#include "kernel/syntax.h"
#include "support/bytes.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

// Everything around the functions: header, state, constants, interfaces.
class ModuleParser {
 public:
  ModuleParser(std::string_view text, const ParseOptions& options)
      : c_(text, options.file), options_(options) {}

  Result<Module> run() {
    header();
    while (c_.peek().kind != Token::Kind::end) {
      const Token at = c_.peek();
      if (at.is("kernel") || at.is("procedure") || at.is("entry")) {
        // Built in place: ids of one function mean nothing in another.
        Function f;
        FunctionParser(c_, f).function();
        if (m_.find(f.name) != nullptr)
          c_.error(Code::duplicate_name, at, "function " + quote(f.name) + " is defined twice");
        m_.functions.push_back(std::move(f));
      } else if (at.is("state")) {
        section([this] { state_slot(); }, &m_.state_bytes);
      } else if (at.is("constants")) {
        section([this] { constant(); }, &m_.constant_bytes);
      } else if (at.is("interface")) {
        interface();
      } else if (c_.accept("seal")) {
        seal_ = name();
      } else {
        c_.error(Code::syntax, at,
                 "expected state, constants, interface, kernel, procedure, entry or seal, found " +
                     Cursor::found(at));
        c_.skip_line();
        if (c_.peek().is("}")) c_.take();
      }
    }
    if (c_.failed()) return c_.take_errors();
    m_.edited = seal_ != seal(m_);
    return std::move(m_);
  }

 private:
  void header() {
    const Token at = c_.peek();
    if (!(c_.accept("tenon") && c_.accept("1") && c_.accept("stage") && c_.accept("kernel")))
      c_.error(Code::bad_header, at,
               "a kernel dump begins with `tenon 1`, `stage kernel`; found " + Cursor::found(c_.peek()));
    if (!c_.expect("module", "header")) return;
    m_.name = name();
    if (c_.expect("target", "header")) m_.target = name();
  }

  std::string name() {
    const Token at = c_.peek();
    std::string out;
    if (at.kind == Token::Kind::name) return std::string(c_.take().text);
    if (at.kind != Token::Kind::string) {
      c_.error(Code::syntax, at, "expected a name, found " + Cursor::found(at));
      return out;
    }
    if (!unquote(c_.take().text, &out)) c_.error(Code::bad_literal, at, "malformed escape in a name");
    return out;
  }

  int64_t integer(std::string_view where, bool negative_allowed = false) {
    const bool negative = negative_allowed && c_.accept("-");
    const Token at = c_.peek();
    uint64_t bits = 0;
    if (at.kind != Token::Kind::number || !literal_bits(at.text, negative, DType::i64, &bits)) {
      c_.error(Code::syntax, at, std::string(where) + ": expected an integer, found " + Cursor::found(at));
      return 0;
    }
    c_.take();
    return static_cast<int64_t>(bits);
  }

  DType dtype() {
    const Token at = c_.peek();
    const std::optional<DType> d = at.kind == Token::Kind::name ? parse_dtype(at.text) : std::nullopt;
    if (!d) {
      c_.error(Code::syntax, at, "expected an element type, found " + Cursor::found(at));
      return DType::f32;
    }
    c_.take();
    return *d;
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> out;
    if (!c_.expect("[", "shape")) return out;
    if (c_.accept("]")) return out;
    do out.push_back(integer("shape"));
    while (c_.accept(",") && out.size() < 64);
    c_.expect("]", "shape");
    return out;
  }

  template <class F>
  void section(F line, uint64_t* bytes) {
    c_.take();
    *bytes = static_cast<uint64_t>(integer("size in bytes"));
    lines(line);
  }
  template <class F>
  void lines(F line) {
    if (!c_.expect("{", "section")) {
      c_.skip_line();
      return;
    }
    while (!c_.peek().is("}") && c_.peek().kind != Token::Kind::end) {
      const size_t before = c_.peek().offset;
      line();
      if (!c_.at_line_start() || c_.peek().offset == before) {
        if (!c_.peek().is("}")) {
          c_.error(Code::syntax, c_.peek(),
                   "expected the end of the line, found " + Cursor::found(c_.peek()));
          c_.skip_line();
        }
      }
    }
    c_.expect("}", "section");
  }

  void state_slot() {
    StateSlot s;
    s.name = name();
    c_.expect(":", "state");
    s.dtype = dtype();
    s.shape = shape();
    c_.expect("at", "state");
    s.offset = static_cast<uint64_t>(integer("offset"));
    c_.expect("bytes", "state");
    s.bytes = static_cast<uint64_t>(integer("bytes"));
    s.kind = name();
    m_.state.push_back(std::move(s));
  }

  void constant() {
    Constant k;
    const Token at = c_.peek();
    k.hash = name();
    c_.expect("at", "constant");
    k.offset = static_cast<uint64_t>(integer("offset"));
    const bool typed = c_.accept(":");
    DType type = DType::f32;
    std::vector<int64_t> extents;
    if (typed) {
      type = dtype();
      extents = shape();
    }
    if (!c_.expect("=", "constant")) return;
    if (c_.accept("data")) {
      k.array = side(k.hash, at, typed, type, extents);
    } else {
      k.array = values(at, typed, type, std::move(extents));
    }
    m_.constants.push_back(std::move(k));
  }

  std::shared_ptr<const Array> side(const std::string& hash, const Token& at, bool typed, DType type,
                                    const std::vector<int64_t>& extents) {
    if (!options_.side) {
      c_.error(Code::file_missing, at,
               "constant " + quote(hash) + " lies in a side file, and none was given");
      return nullptr;
    }
    auto found = options_.side(hash);
    if (!found) {
      c_.error(found.errors().code(), at,
               "constant " + quote(hash) + ": " + found.errors().list.front().message);
      return nullptr;
    }
    if (*found == nullptr || (typed && ((*found)->dtype() != type || (*found)->shape() != extents))) {
      c_.error(Code::data_shape, at,
               "constant " + quote(hash) + ": the side file holds another type or shape");
      return nullptr;
    }
    return *found;
  }

  // One literal of a type, as values and defaults have it: 0.5, -3, true, f32(0x7fc00001).
  bool literal(DType type, uint64_t* bits) {
    const bool typed_value = parse_dtype(c_.peek().text).has_value();  // f32(0x7fc00001)
    if (typed_value) {
      c_.take();
      c_.expect("(", "value");
    }
    const bool negative = c_.accept("-");
    const Token value = c_.peek();
    if (value.is("true") || value.is("false")) {
      *bits = value.is("true");
    } else if ((value.kind != Token::Kind::number && value.kind != Token::Kind::name) ||
               !literal_bits(value.text, negative, type, bits)) {
      c_.error(Code::bad_literal, value,
               "expected a value of " + std::string(dtype_name(type)) + ", found " + Cursor::found(value));
      c_.skip_line();
      return false;
    }
    c_.take();
    if (typed_value) c_.expect(")", "value");
    return true;
  }

  std::shared_ptr<const Array> values(const Token& at, bool typed, DType type, std::vector<int64_t> extents) {
    if (!typed) c_.error(Code::syntax, at, "a constant with values needs a type and a shape");
    if (!dtype_computes(type))
      c_.error(Code::dtype_unsupported, at,
               std::string(dtype_name(type)) + " is not computed with in this version");
    if (!c_.expect("{", "values")) return nullptr;
    std::vector<std::byte> bytes;  // grows with the text, not with what the shape claims
    int64_t count = 0;
    if (!c_.peek().is("}")) {
      do {
        uint64_t bits = 0;
        if (!literal(type, &bits)) return nullptr;
        const auto* from = reinterpret_cast<const std::byte*>(&bits);
        bytes.insert(bytes.end(), from, from + dtype_bytes(type));
        ++count;
      } while (c_.accept(","));
    }
    c_.expect("}", "values");
    int64_t wanted = 0, size = 0;
    if (!checked_bytes(type, extents, &wanted, &size) || wanted != count) {
      c_.error(Code::data_shape, at,
               "the shape holds another number of values than the " + std::to_string(count) + " here");
      return nullptr;
    }
    auto array = std::make_shared<Array>(type, std::move(extents));
    copy_bytes(array->data(), bytes.data(), bytes.size());
    return array;
  }

  void interface() {
    c_.take();
    Entry e;
    e.name = name();
    c_.expect("=", "interface");
    e.function = name();
    c_.expect("arena", "interface");
    e.arena_function = name();
    e.writes_state = c_.accept("writes_state");
    e.loops = c_.accept("loops");
    if (c_.accept("from")) {
      const Token at = c_.peek();
      const std::optional<ir::Origin> origin = ir::parse_origin(name());
      if (!origin)
        c_.error(Code::syntax, at, "an entry is made from init, or from a directive's word and its function");
      e.origin = origin.value_or(ir::Origin{});
    }
    if (c_.accept("batch")) e.batch = name();
    lines([&] {
      const Token word = c_.take();
      if (word.is("dimension")) {
        DimSlot d;
        d.name = name();
        c_.expect("in", "dimension");
        d.low = integer("dimension", true);
        c_.expect("..", "dimension");
        d.high = integer("dimension", true);
        e.dims.push_back(std::move(d));
        return;
      }
      const std::optional<ParamRole> role = find_role(word.text);
      if (!role) {
        c_.error(Code::syntax, word,
                 "expected dimension, state, arena, constants, input, output, hyper or dim, found " +
                     Cursor::found(word));
        c_.skip_line();
        return;
      }
      EntryParam p;
      p.role = *role;
      p.name = name();
      c_.expect(":", "parameter");
      p.dtype = dtype();
      c_.expect("[", "shape");
      if (!c_.accept("]")) {
        do p.shape.push_back(c_.peek().kind == Token::Kind::string ? name() : c_.raw_until(",]"));
        while (c_.accept(",") && p.shape.size() < 64);
        c_.expect("]", "shape");
      }
      if (p.role == ParamRole::input && c_.accept("cut")) {
        do {
          const Token at = c_.peek();
          const int64_t axis = integer("cut", true);
          if (axis < 0 || axis >= static_cast<int64_t>(p.shape.size()))
            c_.error(Code::syntax, at, "input " + p.name + " has no axis " + std::to_string(axis));
          else
            p.cut.push_back(static_cast<uint32_t>(axis));
        } while (c_.accept(","));
      }
      if (p.role == ParamRole::hyper && c_.accept("=") && !literal(p.dtype, &p.bits)) return;
      e.params.push_back(std::move(p));
    });
    m_.entries.push_back(std::move(e));
  }

  Cursor c_;
  const ParseOptions& options_;
  Module m_;
  std::string seal_;
};

}  // namespace

Result<Module> parse(std::string_view text, const ParseOptions& options) {
  return ModuleParser(text, options).run();
}

}  // namespace tenon::kernel
