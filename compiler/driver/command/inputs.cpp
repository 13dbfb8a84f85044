// Inputs of a call, from files and from literals on the command line.
#include <algorithm>
#include <cstring>

#include "driver/command/model.h"
#include "driver/train/trainer.h"
#include "pictures/pictures.h"
#include "runtime/npy.h"
#include "support/text.h"

namespace tenon::command {

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i != 0 ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

namespace {

// Reader of nested lists of numbers.
class Literal {
 public:
  Literal(const std::string& text, std::string name) : text_(text), name_(std::move(name)) {}

  // Numbers as words, in row-major order; the shape beside them.
  Status read() {
    std::vector<int64_t> counts;  // items so far, by depth
    bool done = false;            // a whole value stands
    for (;;) {
      skip();
      if (at_ == text_.size()) break;
      const char c = text_[at_];
      if (done && counts.empty()) return bad("something stands behind the value");
      if (c == '[') {
        if (done) return bad("a comma is missing");
        ++at_;
        if (counts.size() >= 8) return bad("lists nest deeper than 8");
        counts.push_back(0);
        if (shape_.size() < counts.size()) {
          if (!words_.empty()) return ragged();
          shape_.push_back(-1);
        }
        skip();
        if (at_ < text_.size() && text_[at_] == ']') {
          if (Status s = close(counts); !s) return s;
          done = true;
        }
      } else if (c == ']') {
        if (counts.empty() || !done) return bad("a list ends too early");
        if (Status s = item(counts); !s) return s;
        if (Status s = close(counts); !s) return s;
        done = true;
      } else if (c == ',') {
        if (!done || counts.empty()) return bad("a value is missing before the comma");
        if (Status s = item(counts); !s) return s;
        ++at_;
        done = false;
      } else {
        if (done) return bad("a comma is missing");
        const size_t end = std::min(text_.find_first_of(" \t\n,[]", at_), text_.size());
        if (counts.size() != shape_.size()) return ragged();
        words_.push_back(text_.substr(at_, end - at_));
        at_ = end;
        done = true;
      }
    }
    if (!counts.empty() || !done) return bad("the value ends too early");
    return Ok{};
  }
  const std::vector<int64_t>& shape() const { return shape_; }
  const std::vector<std::string>& words() const { return words_; }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }
  Status item(std::vector<int64_t>& counts) {
    ++counts.back();
    return Ok{};
  }
  Status close(std::vector<int64_t>& counts) {
    ++at_;
    int64_t& extent = shape_[counts.size() - 1];
    if (extent >= 0 && extent != counts.back()) return ragged();
    extent = counts.back();
    counts.pop_back();
    return Ok{};
  }
  Diagnostic place(Code code, std::string message) const {
    Diagnostic d;
    d.code = code;
    d.message = std::move(message);
    d.file = "--input " + name_;
    d.line = 1;
    d.column = static_cast<uint32_t>(std::min(at_, text_.size())) + 1;
    d.excerpt = text_;
    return d;
  }
  Errors bad(const std::string& what) const {
    Diagnostic d = place(Code::bad_literal, name_ + ": " + what);
    d.help = "a number, lists as [[1, 2], [3, 4]], or @file.npy";
    return Errors(std::move(d));
  }
  Errors ragged() const {
    Diagnostic d = place(Code::data_ragged, name_ + ": lists of one level have different lengths");
    return Errors(std::move(d));
  }

  const std::string& text_;
  std::string name_;
  size_t at_ = 0;
  std::vector<int64_t> shape_;
  std::vector<std::string> words_;
};

}  // namespace

Result<Array> parse_literal(const std::string& text, DType dtype, const std::string& name) {
  Literal literal(text, name);
  TENON_TRY(literal.read());
  std::vector<int64_t> shape = literal.shape();
  // An empty list has no lists below it.
  for (int64_t& extent : shape) extent = std::max<int64_t>(extent, 0);
  Array out(dtype, shape);
  if (out.count() != static_cast<int64_t>(literal.words().size()))
    return error(Code::data_ragged, name + ": lists of one level have different lengths");
  const size_t size = dtype_bytes(dtype);
  for (size_t i = 0; i < literal.words().size(); ++i) {
    const Fit fit = read_number(literal.words()[i], dtype, out.data() + i * size);
    if (fit != Fit::fits)
      return error(Code::bad_literal, name + ": " + misfit_text(quote(literal.words()[i]), fit, dtype));
  }
  return out;
}

Result<std::vector<Array>> read_inputs(const driver::EntryInfo& entry, const std::vector<std::string>& texts,
                                       const ir::DimBindings& dims) {
  TENON_ASSIGN(const auto given, pairs(texts, "--input"));
  const std::string& function = entry.interface->name;
  std::vector<std::string_view> names(entry.input_names.begin(), entry.input_names.end());
  for (size_t i = 0; i < given.size(); ++i) {
    if (std::find(names.begin(), names.end(), given[i].first) == names.end()) {
      const std::string_view near = nearest(given[i].first, names);
      return usage_error(function + " has no input " + given[i].first,
                         near.empty() ? "" : "did you mean " + std::string(near) + "?");
    }
    for (size_t j = 0; j < i; ++j)
      if (given[j].first == given[i].first)
        return usage_error("--input " + given[i].first + " is given twice");
  }
  std::vector<Array> out;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const std::string& name = entry.input_names[i];
    const ir::Type& type = entry.inputs[i];
    const auto found =
        std::find_if(given.begin(), given.end(), [&](const auto& pair) { return pair.first == name; });
    if (found == given.end())
      return usage_error(function + " needs " + name + ": " + type.text(),
                         "--input " + name + "=@file.npy, or a literal");
    Array array;
    if (found->second.starts_with("@")) {
      const std::string file = found->second.substr(1);
      if (runtime::picture_form(file)) {
        TENON_ASSIGN(const Array picture, runtime::read_picture(file, &pictures::codec()));
        TENON_ASSIGN(array, driver::prepare_picture(entry, i, picture, file));
      } else {
        TENON_ASSIGN(array, runtime::read_npy(file == "-" ? "/dev/stdin" : file));
      }
    } else {
      TENON_ASSIGN(array, parse_literal(found->second, type.dtype, name));
      if (array.rank() == 0 && type.rank() != 0) {
        Result<std::vector<int64_t>> shape = ir::evaluate_shape(type.shape, dims);
        if (!shape)
          return error(Code::data_shape, name + " is " + type.text() + ", one number does not tell its shape",
                       "--bind gives dimensions, or write lists");
        int64_t count = 0, bytes = 0;
        if (!checked_bytes(type.dtype, *shape, &count, &bytes) || bytes > (int64_t{1} << 34))
          return error(Code::size_range, name + " would be larger than 16 GiB");
        Array full(type.dtype, *shape);
        for (int64_t k = 0; k < count; ++k)
          std::memcpy(full.data() + static_cast<size_t>(k) * array.bytes(), array.data(), array.bytes());
        array = std::move(full);
      }
    }
    if (array.dtype() != type.dtype) {
      Diagnostic d;
      d.code = Code::data_shape;
      d.message = name + " is " + std::string(dtype_name(array.dtype())) + shape_text(array.shape()) + ", " +
                  function + " wants " + type.text();
      if (found->second.starts_with("@")) d.file = found->second.substr(1);
      d.help = "nothing is converted silently: store it as " + std::string(dtype_name(type.dtype));
      return d;
    }
    out.push_back(std::move(array));
  }
  return out;
}

}  // namespace tenon::command
