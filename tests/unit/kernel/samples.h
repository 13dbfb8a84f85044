// Kernel texts that several tests read.
#pragma once

#include <string>

#include "kernel/print.h"

namespace tenon::kernel::samples {

inline std::string module(const std::string& functions) {
  return "tenon 1\nstage kernel\nmodule \"sample\" target \"x86-64-v4\"\n\n" + functions;
}

// C = A B, rows in tiles of MR with a remainder, columns in lanes of 16 * NV.
inline const char* matmul = R"(// dot: C[M,N] = A[M,K] B[K,N]
kernel matmul(A: f32* read, B: f32* read align 64, C: f32* write, M: i64, N: i64, K: i64) {MR = 4, NV = 2} {
  for i0 in 0 .. M step MR {
    specialize rows in 1 .. MR = min(M - i0, MR) {
      lanes j in 0 .. N width 16*NV {
        var acc: f32[rows] = 0.0
        for k in 0 .. K {  // one chain
          let b = B[k*N + j]
          unroll r in 0 .. rows {
            acc[r] = fma(A[(i0 + r)*K + k], b, acc[r])
          }
        }
        unroll s in 0 .. rows {
          C[(i0 + s)*N + j] = acc[s]
        }
      }
    }
  }
}
)";

inline const char* reduce = R"(kernel reduce(X: f32* read, S: f32* write, n: i64) {W = 8} {
  var sum: f32 = 0.0
  var top: f32 = -inf
  lanes i in 0 .. n width W {
    let x = X[i]
    fold sum = add(x)
    fold top = max(x)
  }
  S[0] = sum
  S[1] = top
}
)";

// Backward, through memory of its own.
inline const char* turn =
    R"(kernel turn(X: f32* read, Y: f32* write, n: i64) scratch s: f32[8], i: i64[1] {W = 4} {
  i[0] = n
  for r in 0 .. n {
    s[n - 1 - r] = X[r]
  }
  lanes j in 0 .. i[0] width W {
    Y[j] = s[j]
  }
}
)";

inline const char* everything =
    R"(kernel everything(A: f32*, B: f64*, I: i32* read, L: i64* write, U: u32* read align 4, Y: u8* untouched, F: bool* write, n: i64, lr: f32, on: bool) {T = -3} {
  let zero = f32(0.0)
  let payload = f32(0x7fc00001)
  let minus = -lr
  let both = --lr
  let odd = neg(f32(1.0)) + nan
  let u = (U[0]*0xd2511f53 + 7) ^ (mulhi(U[1], 0x10000) >> 3)
  let sh = ashr(I[0], 2) << 1
  let c = (I[0] < 3 & ~on) | (I[1] <= -2147483648 ^ A[0] == 1e-5)
  let d = cast<f64>(A[0])*2.5 - (B[1] - 1.0)/3.0
  let m = bitcast<u32>(A[0]) & 0x7fffffff
  let r = round_even(floor(ceil(trunc(sqrt(abs(lr))))))
  let p = n - 1 - (n - 2)%T
  let q = select(n < p, 1, p)
  let z = select(c, f32(1.0), 2.0)
  let y = 1 + n - T
  var w: f32[2, 3] = 1.0
  w[1, 2] = w[0, 0] + 1.0
  lanes i in 0 .. n width 8 {
    var t: i32 = 0
    if A[i] < 0.5 {
      t = 1
      L[i] = i
    } else {
      t = 2
    }
    fail T605 if t == 1, i  // never mind
    F[i] = t != 1
    prefetch A[i + 64]
    prefetch write B[i]
    var square: f32[8] = A[i]
    exchange square
    A[i] = square[1]
  }
  for k in 0 .. n step 4 {
    B[k] = 0.0
  }
}
)";

// An entry with its kernels, state, constants and interface.
inline std::string program() {
  return R"(tenon 1
stage kernel
module "step" target "x86-64-v3"

state 128 {
  "fc.w" : f32[4,2] at 64 bytes 32 "param"
  "t" : i64[] at 96 bytes 8 "state"
}

constants 64 {
  "c0" at 0 : f32[3] = {1.0, -0.5, f32(0x7fc00001)}
  "c1" at 16 : bool[2] = {true, false}
  "c2" at 24 : u32[1] = {0xffffffff}
}

interface "train" = "e_train" arena "a_train" writes_state loops {
  dimension "batch" in 1 .. 256
  state "state" : u8[128]
  input "x" : f32[batch,4]
  hyper "lr" : f32[] = 0.01
  dim "batch" : i64[]
}

// scale: x * lr
kernel scale(X: f32* read, Y: f32* write, lr: f32, first: i64, last: i64) {
  lanes i in first .. last width 8 {
    Y[i] = X[i]*lr
  }
}

kernel a_train(bytes: i64* write, batch: i64) {
  bytes[0] = batch*16
}

entry e_train(state: u8*, x: f32* read, lr: f32, batch: i64) {
  parallel chunk in 0 .. (batch + 1)/2 {
    let first = chunk*8
    call scale(address<f32>(x, 0), address<f32>(state, 64), lr, first, min(first + 8, batch*4))
  }
  stop_on_failure
  progress 1
}
)";
}

inline Module parsed(const std::string& text) {
  auto m = parse(text);
  if (!m) throw m.errors().text();
  return std::move(*m);
}

}  // namespace tenon::kernel::samples
