/* Trains the exported model from C, with nothing but the object: no library, no allocation behind its back.
 *
 *   linear_regression --export linear && cc -std=c99 caller.c linear.o -o caller && ./caller */
#include <stdio.h>

#include "linear.h"

#define ROWS 64
#define EPOCHS 300
#define BATCH 16

/* State and arena are the caller's: here of fixed size and aligned by a union with room to move. */
static unsigned char state_room[LINEAR_STATE_BYTES + LINEAR_ALIGN];
static unsigned char arena_room[1 << 20];

static void* aligned(void* p) {
  uintptr_t at = (uintptr_t)p;
  return (char*)p + (LINEAR_ALIGN - at % LINEAR_ALIGN) % LINEAR_ALIGN;
}

int main(void) {
  static float x[ROWS], y[ROWS], loss[EPOCHS * (ROWS / BATCH)], p[2];
  void *state = aligned(state_room), *arena = aligned(arena_room);
  size_t bytes = sizeof arena_room - LINEAR_ALIGN;
  const float ask[2] = {0.0f, 1.0f};
  linear_train_epochs_args a = {0};
  linear_status status;
  int i;

  for (i = 0; i < ROWS; ++i) { /* the line y = 2 x + 1 */
    x[i] = (float)i / (ROWS / 2) - 1.0f;
    y[i] = 2.0f * x[i] + 1.0f;
  }
  status = linear_init(state, LINEAR_STATE_BYTES, 7);
  if (status != LINEAR_OK) return fprintf(stderr, "init: status %d\n", (int)status), 1;

  a.x = x;
  a.y = y;
  a.rows = ROWS;
  a.batch = BATCH;
  a.epochs = EPOCHS;
  a.lr = 0.05f;
  a.loss = loss;
  if (linear_train_epochs_arena_bytes(BATCH, ROWS, EPOCHS, 1) > bytes)
    return fputs("the arena is too small\n", stderr), 1;
  status = linear_train_epochs(state, &a, arena, bytes, NULL);
  if (status != LINEAR_OK) return fprintf(stderr, "train: status %d\n", (int)status), 1;
  printf("from C, y = 2 x + 1: %lu steps, loss %.6f -> %.6f\n", (unsigned long)a.done, (double)loss[0],
         (double)loss[EPOCHS * (ROWS / BATCH) - 1]);

  status = linear_predict(state, ask, 2, p, arena, bytes);
  if (status != LINEAR_OK) return fprintf(stderr, "predict: status %d\n", (int)status), 1;
  printf("p(0) = %.3f, p(1) = %.3f\n", (double)p[0], (double)p[1]);
  return 0;
}
