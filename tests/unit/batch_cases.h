// Models whose inputs have the batch dimension at other places than first, and what may only be done over a
// batch that is not empty.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tenon::test {

struct BatchCase {
  const char* name;
  const char* dims;    // declarations in front
  const char* inputs;  // of the loss
  const char* body;    // computes l
  const char* words;   // of the directive, behind `with`
  std::vector<std::pair<std::vector<int64_t>, std::vector<uint32_t>>>
      data;  // shapes, -1: rows; axes that are cut
  int64_t batch = 4;
  std::vector<int64_t> rows = {9, 8, 3};
};

inline std::string text_of(const BatchCase& c) {
  return std::string("tenon 1\nmodule cut\n") + c.dims + "param w : f32[3] = uniform(-1, 1)\nfunc loss(" +
         c.inputs + ") -> loss: f32[] {\n" + c.body +
         "  return l\n}\nderive train = step loss {with = adam {lr = 0.01}" + c.words +
         "}\nderive ordered = epochs train {order = given}\n";
}

inline const BatchCase batch_cases[] = {
    {"the dimension twice in an input",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,n]",
     "  p = dot x, w\n  q = reshape p {shape = [n,1]}\n  d = sub q, y\n  dd = mul d, d\n  l = mean dd\n",
     "",
     {{{-1, 3}, {0}}, {{-1, -1}, {0, 1}}}},
    {"time first, the steps of a loop",
     "dim n = 1..64\ndim t = 1..64\n",
     "x: f32[t,n,3], y: f32[t,n]",
     "  z = const 0.0 : f32[]\n  h0 = broadcast z {shape = [n]}\n  h, hs = loop (h = h0; xt in x) {\n"
     "    p = dot xt, w\n    a = add h, p\n    b = tanh a\n    yield b, b\n  }\n  l = mse hs, y\n",
     "",
     {{{5, -1, 3}, {1}}, {{5, -1}, {1}}}},
    {"two shared dimensions, one named",
     "dim n = 1..64\ndim t = 1..64\n",
     "x: f32[t,n,3], y: f32[n,t]",
     "  p = dot x, w\n  q = transpose p {perm = [1,0]}\n  l = mse q, y\n",
     ", batch = n",
     {{{5, -1, 3}, {1}}, {{-1, 5}, {0}}}},
    {"inputs that are the same for every batch",
     "dim n = 1..64\ndim m = 1..64\n",
     "m0: f32[m], x: f32[n,3], s: f32[3]",
     "  v = mul w, s\n  p = dot x, v\n  a = mean p\n  b = mean m0\n  d = sub a, b\n  l = mul d, d\n",
     ", batch = n, same = [m0, s]",
     {{{7}, {}}, {{-1, 3}, {0}}, {{3}, {}}}},
    {"argmax over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,1]",
     "  p = dot x, w\n  i = argmax p {axis = 0}\n  h = take y, i\n  k = reduce_sum h\n  m = mean p\n  l = "
     "add m, k\n",
     "",
     {{{-1, 3}, {0}}, {{-1, 1}, {0}}}},
    {"a stride over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  s = slice p {stride = [2]}\n  a = mul s, s\n  l = mean a\n",
     "",
     {{{-1, 3}, {0}}}},
    {"interior padding over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  z = const 0.5 : f32[]\n  s = pad p, z {interior = [2]}\n  a = mul s, s\n  l = mean "
     "a\n",
     "",
     {{{-1, 3}, {0}}}},
    {"pairs of rows in one axis",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,n]",
     "  p = dot x, w\n  f = reshape y {shape = [n*n]}\n  a = mean f\n  b = mean p\n  c = add a, b\n  l = mul "
     "c, c\n",
     "",
     {{{-1, 3}, {0}}, {{-1, -1}, {0, 1}}}},
    {"a range that starts above 1",
     "dim n = 3..64\n",
     "x: f32[n,3]",
     "  s = slice x {limit = [3,3]}\n  p = dot s, w\n  q = dot x, w\n  a = mean p\n  b = mean q\n  c = mul "
     "a, b\n"
     "  l = mul c, c\n",
     "",
     {{{-1, 3}, {0}}},
     4,
     {11, 8, 3}},
    {"half of the batch",
     "dim n = 2..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  s = slice p {limit = [n/2]}\n  a = mul s, s\n  l = mean a\n",
     "",
     {{{-1, 3}, {0}}},
     4,
     {10, 3}},
};

}  // namespace tenon::test
