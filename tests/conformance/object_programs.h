// Parts of C programs that tests link with a written object and nothing else: memory that ends at guard
// pages, hashes, pools, and hosts that keep the contract of <prefix>_parallel by its letter and nothing more
// (those of runtime/hostile.h, in C). A program includes the object's header first and defines PARALLEL as
// its type.
#pragma once

#include <string>

#include "conformance/command_runner.h"
#include "paths.h"

namespace tenon::test {

inline const char* const program_support = R"(
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t fnv(const void *data, size_t bytes) {
  const unsigned char *p = (const unsigned char *)data;
  uint64_t h = 0xcbf29ce484222325ull;
  size_t i;
  for (i = 0; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  return h;
}

/* Memory whose last byte is followed by a page that no access may touch; filled with NaN. */
static char *guarded(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
  char *base = (char *)mmap(NULL, body + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == (char *)MAP_FAILED || mprotect(base, page, PROT_NONE) != 0 ||
      mprotect(base + page + body, page, PROT_NONE) != 0)
    exit(90);
  memset(base + page, 0xff, body);
  return base + page + body - bytes;
}
static void unguard(char *p, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
  munmap(p + bytes - body - page, body + 2 * page);
}

static void *slurp(const char *path, size_t bytes) {
  FILE *f = fopen(path, "rb");
  void *p = malloc(bytes + 1);
  if (f == NULL || p == NULL || fread(p, 1, bytes, f) != bytes) exit(91);
  fclose(f);
  return p;
}

/* --- hosts */
typedef struct {
  char kind; /* p: a pool; q: one without a team; r: reversed; o: one other thread; x: shuffled; t: a team that starts slowly */
  uint32_t workers;
  uint64_t random;
} host_type;
typedef struct {
  host_type *host;
  uint32_t n, next, worker;
  const uint32_t *order;
  void (*task)(void *, uint32_t, uint32_t);
  void (*body)(void *, uint32_t);
  void *arg;
  pthread_mutex_t *lock;
  uint32_t *shared_next;
} share_type;

static void *take_chunks(void *p) {
  share_type *s = (share_type *)p;
  for (;;) {
    uint32_t i;
    pthread_mutex_lock(s->lock);
    i = (*s->shared_next)++;
    pthread_mutex_unlock(s->lock);
    if (i >= s->n) return NULL;
    if (s->order != NULL && s->order[i] % 4 == 0) sched_yield();
    s->task(s->arg, s->order == NULL ? i : s->order[i], s->worker);
  }
}
static void *all_chunks(void *p) {
  share_type *s = (share_type *)p;
  uint32_t i;
  for (i = 0; i < s->n; ++i) s->task(s->arg, i, s->worker);
  return NULL;
}
static void *one_body(void *p) {
  share_type *s = (share_type *)p;
  s->body(s->arg, s->worker);
  return NULL;
}
static void on_all(host_type *h, share_type first, void *(*start)(void *)) {
  pthread_t threads[16];
  share_type shares[16];
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  uint32_t w, next = 0;
  for (w = 0; w < h->workers; ++w) {
    shares[w] = first;
    shares[w].worker = w;
    shares[w].lock = &lock;
    shares[w].shared_next = &next;
    if (w + 1 == h->workers)
      start(&shares[w]);
    else if (pthread_create(&threads[w], NULL, start, &shares[w]) != 0)
      exit(92);
    if (h->kind == 't') sched_yield();
  }
  for (w = 0; w + 1 < h->workers; ++w) pthread_join(threads[w], NULL);
}
static void host_run(void *ctx, uint32_t n, void (*task)(void *, uint32_t, uint32_t), void *arg) {
  host_type *h = (host_type *)ctx;
  share_type share;
  memset(&share, 0, sizeof share);
  share.host = h;
  share.n = n;
  share.task = task;
  share.arg = arg;
  if (h->kind == 'r' || h->kind == 't') {
    uint32_t i;
    for (i = n; i-- > 0;) task(arg, i, i % h->workers);
  } else if (h->kind == 'o') {
    pthread_t other;
    share.worker = h->workers - 1;
    if (pthread_create(&other, NULL, all_chunks, &share) != 0) exit(92);
    pthread_join(other, NULL);
  } else if (h->kind == 'x') {
    uint32_t *order = (uint32_t *)malloc(n * sizeof *order + 1), i;
    for (i = 0; i < n; ++i) {
      uint32_t j;
      h->random = h->random * 6364136223846793005ull + 1442695040888963407ull;
      j = (uint32_t)((h->random >> 33) % (i + 1));
      order[i] = order[j];
      order[j] = i;
    }
    share.order = order;
    on_all(h, share, take_chunks);
    free(order);
  } else {
    on_all(h, share, take_chunks);
  }
}
static void host_team(void *ctx, void (*body)(void *, uint32_t), void *arg) {
  host_type *h = (host_type *)ctx;
  share_type share;
  memset(&share, 0, sizeof share);
  share.host = h;
  share.body = body;
  share.arg = arg;
  on_all(h, share, one_body);
}
static PARALLEL parallel_of(host_type *h) {
  PARALLEL p;
  p.ctx = h;
  p.workers = h->workers;
  p.run = host_run;
  p.team = h->kind == 'p' || h->kind == 't' ? host_team : NULL;
  p.chunks = NULL;
  return p;
}
)";

// Writes main.c (the object's header, the support above, `text`), and links it with the object and libc.
inline Ran link_program(const Folder& folder, const std::string& object, const std::string& text) {
  folder.write(object + "_main.c", "#define _GNU_SOURCE\n#include \"" + object + ".h\"\n#define PARALLEL " +
                                       object + "_parallel\n" + program_support + text);
  return folder.shell("'" TENON_CC "' -std=c11 -O1 -Wall -Wno-unused-function " + object + "_main.c " +
                      object + ".o -lpthread -o " + object + "_main");
}

}  // namespace tenon::test
