/* The best plain C for table 11. Each function is made for constant sizes by inlining, as a person who wants
 * speed would write it: weights [in][out], k unrolled by 4, rows of a batch gathered first. Compiled four
 * times: gcc and clang, with and without -ffast-math. */
#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* --- Linear regression: epochs over shuffled rows, batch by batch, gradient descent on the mean square. */

INLINE uint32_t draw(uint64_t* state) {
  *state = *state * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)(*state >> 32);
}

INLINE void step(const float* restrict x, const float* restrict y, const uint32_t* restrict order, int rows,
                 int features, float lr, float* restrict w, float* restrict b, float* restrict loss) {
  float gx[5][64], gy[64], gw[5] = {0}, gb = 0, sum = 0;
  for (int r = 0; r < rows; ++r) gy[r] = y[order[r]];
  for (int f = 0; f < features; ++f)
    for (int r = 0; r < rows; ++r) gx[f][r] = x[order[r] * (uint32_t)features + (uint32_t)f];
  for (int r = 0; r < rows; ++r) {
    float p = *b;
    for (int f = 0; f < features; ++f) p += gx[f][r] * w[f];
    const float d = p - gy[r];
    sum += d * d;
    gb += d;
    for (int f = 0; f < features; ++f) gw[f] += d * gx[f][r];
  }
  const float scale = 2.0f / (float)rows;
  for (int f = 0; f < features; ++f) w[f] -= lr * scale * gw[f];
  *b -= lr * scale * gb;
  *loss = sum / (float)rows;
}

INLINE void fit(const float* restrict x, const float* restrict y, int rows, int epochs, int features,
                int batch, float lr, uint64_t seed, float* restrict w, float* restrict b,
                float* restrict loss) {
  uint32_t order[4096];
  float weights[5], bias = *b;
  for (int f = 0; f < features; ++f) weights[f] = w[f];
  for (int e = 0; e < epochs; ++e) {
    for (uint32_t i = 0; i < (uint32_t)rows; ++i) {
      const uint32_t j = (uint32_t)(((uint64_t)draw(&seed) * (i + 1)) >> 32);
      order[i] = order[j];
      order[j] = i;
    }
    int at = 0;
    for (; at + batch <= rows; at += batch)
      step(x, y, order + at, batch, features, lr, weights, &bias, loss++);
    if (at < rows) step(x, y, order + at, rows - at, features, lr, weights, &bias, loss++);
  }
  for (int f = 0; f < features; ++f) w[f] = weights[f];
  *b = bias;
}

/* rows <= 4096, features 1..5, batch 24 or 32 */
void linear_fit(const float* x, const float* y, int rows, int epochs, int features, int batch, float lr,
                uint64_t seed, float* w, float* b, float* loss){
#define CASE(F, B) \
  if (features == F && batch == B) fit(x, y, rows, epochs, F, B, lr, seed, w, b, loss);
    CASE(1, 32) CASE(2, 32) CASE(3, 32) CASE(4, 32) CASE(5, 32) CASE(1, 24) CASE(2, 24) CASE(3, 24)
        CASE(4, 24) CASE(5, 24)
#undef CASE
}

/* --- A network of three layers on one row. */

INLINE void dense(const float* restrict x, const float* restrict w, const float* restrict b,
                  float* restrict y, int in, int out) {
  float acc[64];
  for (int j = 0; j < out; ++j) acc[j] = b[j];
  for (int k = 0; k < in; k += 4)
    for (int j = 0; j < out; ++j)
      acc[j] += x[k] * w[k * out + j] + x[k + 1] * w[(k + 1) * out + j] + x[k + 2] * w[(k + 2) * out + j] +
                x[k + 3] * w[(k + 3) * out + j];
  for (int j = 0; j < out; ++j) y[j] = acc[j];
}

void mlp_relu(const float* restrict x, const float* restrict w1, const float* restrict b1,
              const float* restrict w2, const float* restrict b2, const float* restrict w3,
              const float* restrict b3, float* restrict y) {
  float h1[64], h2[64];
  dense(x, w1, b1, h1, 16, 64);
  for (int j = 0; j < 64; ++j) h1[j] = h1[j] > 0 ? h1[j] : 0;
  dense(h1, w2, b2, h2, 64, 64);
  for (int j = 0; j < 64; ++j) h2[j] = h2[j] > 0 ? h2[j] : 0;
  dense(h2, w3, b3, y, 64, 16);
}

void mlp_tanh(const float* restrict x, const float* restrict w1, const float* restrict b1,
              const float* restrict w2, const float* restrict b2, const float* restrict w3,
              const float* restrict b3, float* restrict y) {
  float h1[64], h2[64];
  dense(x, w1, b1, h1, 12, 40);
  for (int j = 0; j < 40; ++j) h1[j] = tanhf(h1[j]);
  dense(h1, w2, b2, h2, 40, 24);
  for (int j = 0; j < 24; ++j) h2[j] = tanhf(h2[j]);
  dense(h2, w3, b3, y, 24, 9);
}

/* --- Table 6: a recurrence over a 3 x 3 state, n times: s = s * m + c. */
void loop3(const float* restrict m, const float* restrict c, float* restrict s, int64_t n) {
  float a[9];
  for (int i = 0; i < 9; ++i) a[i] = s[i];
  for (int64_t t = 0; t < n; ++t) {
    float next[9];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        next[i * 3 + j] = a[i * 3] * m[j] + a[i * 3 + 1] * m[3 + j] + a[i * 3 + 2] * m[6 + j] + c[i * 3 + j];
    for (int i = 0; i < 9; ++i) a[i] = next[i];
  }
  for (int i = 0; i < 9; ++i) s[i] = a[i];
}
