#include "fuzz/mutated_inputs.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>

namespace tenon::test {
namespace {

struct Draw {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }
};

struct Piece {
  size_t begin, end;
  char kind;  // n: number, w: word, p: other
};

bool word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

std::vector<Piece> pieces(std::string_view text) {
  std::vector<Piece> out;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (std::isspace(static_cast<unsigned char>(text[i])) != 0) {
      ++i;
      continue;
    }
    const char kind = std::isdigit(static_cast<unsigned char>(text[i])) != 0 ? 'n'
                      : word(text[i])                                        ? 'w'
                                                                             : 'p';
    while (i < text.size() && (kind == 'p' ? i == begin : word(text[i]))) ++i;
    out.push_back({begin, i, kind});
  }
  return out;
}

std::vector<Piece> lines(std::string_view text) {
  std::vector<Piece> out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find('\n', i), text.size() - 1) + 1;
    out.push_back({i, end, 'l'});
    i = end;
  }
  return out;
}

std::string other_number(std::string_view old, Draw& d) {
  static constexpr const char* edges[] = {"0",    "1",   "-1",        "2",          "3",
                                          "7",    "63",  "64",        "65",         "128",
                                          "4096", "1e9", "100000000", "1000000000", "9223372036854775807",
                                          "nan",  "inf", "1e-40",     "0.5",        "18446744073709551616"};
  if (d.below(2) == 0) return edges[d.below(std::size(edges))];
  int64_t value = 0;
  for (const char c : old)
    if (c >= '0' && c <= '9' && value < int64_t{1} << 50) value = value * 10 + (c - '0');
  switch (d.below(5)) {
    case 0:
      return std::to_string(value + 1);
    case 1:
      return std::to_string(value - 1);
    case 2:
      return std::to_string(value * 2);
    case 3:
      return std::to_string(value / 2);
    default:
      return std::to_string(value * 1000 + static_cast<int64_t>(d.below(10)));
  }
}

void change(std::string& text, std::string_view lender, Draw& d) {
  const std::vector<Piece> all = pieces(text), rows = lines(text);
  if (all.empty()) return;
  auto pick = [&](char kind) -> const Piece* {
    for (int i = 0; i < 200; ++i)
      if (const Piece& p = all[d.below(all.size())]; p.kind == kind) return &p;
    return nullptr;
  };
  auto replace = [&](const Piece& p, const std::string& with) {
    text.replace(p.begin, p.end - p.begin, with);
  };
  const std::vector<Piece> lent = pieces(lender);
  switch (d.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (const Piece* p = pick('n'))
        replace(*p, other_number(std::string_view(text).substr(p->begin, p->end - p->begin), d));
      return;
    case 4:
    case 5: {  // another name of the text
      const Piece *p = pick('w'), *q = pick('w');
      // Mostly of those near it: they are in scope, and of its kind.
      if (p != nullptr && d.below(3) != 0)
        for (int i = 0; i < 40; ++i) {
          const size_t at = static_cast<size_t>(p - all.data()) + d.below(41);
          if (at >= 20 && at - 20 < all.size() && all[at - 20].kind == 'w') q = &all[at - 20];
        }
      if (p != nullptr && q != nullptr) replace(*p, text.substr(q->begin, q->end - q->begin));
      return;
    }
    case 6: {  // another operator
      static constexpr const char* arithmetic[] = {"+", "-", "*", "/", "%"};
      static constexpr const char* others[] = {"<", ">", "&", "|", "^", ",", "=", "(", "]"};
      const Piece* p = pick('p');
      // An operator by an operator, most of the time.
      for (int i = 0; i < 50 && p != nullptr && d.below(8) != 0; ++i) {
        if (std::string_view("+-*/%").find(text[p->begin]) != std::string_view::npos) break;
        p = pick('p');
      }
      if (p == nullptr) return;
      replace(*p, d.below(4) != 0 ? arithmetic[d.below(std::size(arithmetic))]
                                  : others[d.below(std::size(others))]);
      return;
    }
    case 7: {  // a line less, or twice
      const Piece& p = rows[d.below(rows.size())];
      const std::string line = text.substr(p.begin, p.end - p.begin);
      if (d.below(2) == 0)
        text.erase(p.begin, p.end - p.begin);
      else
        text.insert(p.begin, line);
      return;
    }
    case 8: {  // two lines change places
      const Piece &a = rows[d.below(rows.size())], &b = rows[d.below(rows.size())];
      if (a.begin >= b.begin) return;
      const std::string first = text.substr(a.begin, a.end - a.begin),
                        second = text.substr(b.begin, b.end - b.begin);
      text.replace(b.begin, b.end - b.begin, first);
      text.replace(a.begin, a.end - a.begin, second);
      return;
    }
    case 9: {  // a piece less
      const Piece& p = all[d.below(all.size())];
      text.erase(p.begin, p.end - p.begin);
      return;
    }
    case 10: {  // a piece of another text
      const Piece& p = all[d.below(all.size())];
      if (lent.empty()) return;
      const Piece& q = lent[d.below(lent.size())];
      const std::string piece(lender.substr(q.begin, q.end - q.begin));
      if (d.below(2) == 0)
        replace(p, piece);
      else
        text.insert(p.begin, piece + " ");
      return;
    }
    default: {  // a byte
      text[d.below(text.size())] = static_cast<char>(d.next());
      return;
    }
  }
}

struct Shared {
  uint64_t seed, tried, accepted, counted[4];
};
Shared* running = nullptr;

}  // namespace

std::string mutated_text(std::string_view text, uint64_t seed, std::string_view lender) {
  Draw d{seed * 0x2545f4914f6cdd1dull + 1};
  std::string out(text);
  for (size_t n = d.below(4) == 0 ? 2 + d.below(2) : 1; n > 0 && !out.empty(); --n) change(out, lender, d);
  return out;
}

std::string mutated_bytes(std::string_view bytes, uint64_t seed) {
  Draw d{seed * 0x2545f4914f6cdd1dull + 2};
  std::string out(bytes);
  for (size_t n = 1 + d.below(3); n > 0 && !out.empty(); --n) {
    // Headers come first, and matter most.
    const size_t at = d.below(2) == 0 ? d.below(out.size()) : d.below(std::min<size_t>(out.size(), 96));
    switch (d.below(7)) {
      case 0:
        out[at] = static_cast<char>(d.next());
        break;
      case 1:
        out[at] = static_cast<char>(out[at] ^ (1 << d.below(8)));
        break;
      case 2: {
        static constexpr uint64_t edges[] = {0,         1, ~uint64_t{0}, uint64_t{1} << 31, uint64_t{1} << 63,
                                             0x7fffffff};
        const uint64_t value = edges[d.below(std::size(edges))];
        const size_t size = size_t{1} << d.below(4);
        std::memcpy(out.data() + at, &value, std::min(size, out.size() - at));
        break;
      }
      case 3:
        out.resize(at);
        break;
      case 4:
        out.insert(at, out.substr(d.below(out.size()), 1 + d.below(16)));
        break;
      case 5:
        out.erase(at, 1 + d.below(16));
        break;
      default:
        change(out, {}, d);
    }
  }
  return out;
}

void count(size_t counter, uint64_t n) {
  if (running != nullptr) running->counted[counter] += n;
}

Trial try_inputs(TrialOptions options, const std::function<bool(uint64_t seed)>& one) {
  Trial trial;
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) return trial;
  *shared = {};
  const uint64_t end = options.first + options.count;
  // On a long way, how far it is: what is stopped can go on from there.
  constexpr uint64_t told_every = 10000;
  uint64_t told = 0;
  for (uint64_t from = options.first; from < end;) {
    const uint64_t until = std::min(from + options.batch, end);
    shared->seed = from;
    const pid_t child = fork();
    if (child == 0) {
      running = shared;
      for (uint64_t seed = from; seed < until; ++seed) {
        shared->seed = seed;
        // Of processor time; waiting for ever ends as well.
        const itimerval limit{{0, 0}, {options.seconds, 0}}, none{};
        setitimer(ITIMER_PROF, &limit, nullptr);
        alarm(static_cast<unsigned>(options.seconds) * 20);
        shared->accepted += one(seed) ? 1 : 0;
        alarm(0);
        setitimer(ITIMER_PROF, &none, nullptr);
        ++shared->tried;
        struct rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        if (static_cast<uint64_t>(usage.ru_maxrss) > options.megabytes * 1024) _exit(99);
      }
      _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) break;
    from = until;
    if (shared->tried >= told + told_every) {
      told = shared->tried;
      std::fprintf(stderr, "%llu of %llu inputs, %llu accepted, %zu faults; next: TENON_MUTANT_FIRST=%llu\n",
                   static_cast<unsigned long long>(told), static_cast<unsigned long long>(options.count),
                   static_cast<unsigned long long>(shared->accepted), trial.faults.size(),
                   static_cast<unsigned long long>(from));
    }
    if (status != 0) {
      std::string what = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                             : "exit " + std::to_string(WEXITSTATUS(status));
      if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGPROF))
        what = "more than " + std::to_string(options.seconds) + " s";
      if (!WIFSIGNALED(status) && WEXITSTATUS(status) == 99)
        what = "more than " + std::to_string(options.megabytes) + " MiB";
      trial.faults.push_back("seed " + std::to_string(shared->seed) + ": " + what);
      std::fprintf(stderr, "%s\n", trial.faults.back().c_str());
      from = shared->seed + 1;
      if (trial.faults.size() >= 20) break;
    }
  }
  trial.tried = shared->tried;
  trial.accepted = shared->accepted;
  std::copy(std::begin(shared->counted), std::end(shared->counted), trial.counted);
  munmap(shared, sizeof(Shared));
  return trial;
}

}  // namespace tenon::test
