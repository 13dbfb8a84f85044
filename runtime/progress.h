// Progress: shows how training goes. On a terminal a bar that is redrawn in place, at most ten times a
// second, and one line that stays for each epoch; elsewhere (a pipe, a log) only those lines, without escape
// codes; or nothing.
//   epoch 2/5 [=========>          ]  431/938  loss 0.1432  accuracy 0.956  eta 12s
//   epoch 2/5  938 steps  loss 0.1382  accuracy 0.9581  test accuracy 0.961  3.1s
// Not for several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/history.h"

namespace tenon::runtime {

enum class ProgressMode : uint8_t { detect, bar, lines, off };

struct ProgressOptions {
  ProgressMode mode =
      ProgressMode::detect;  // detect: bar where `fd` is a terminal (and TERM is not "dumb"), else lines
  int fd = 2;
  int width = 0;                                // columns; 0: the terminal's, or 80
  std::function<void(std::string_view)> write;  // null: to fd; what cannot be written is lost silently
  std::function<double()> now;                  // seconds; null: the steady clock
};

class Progress {
 public:
  explicit Progress(ProgressOptions options = {});
  ~Progress();  // leaves the cursor on a fresh line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  ProgressMode mode() const { return mode_; }
  void begin(uint64_t epochs, uint64_t steps_per_epoch);
  // Steps done within the epoch (from 1); `loss` so far, where it is known.
  void step(uint64_t epoch, uint64_t done);
  void step(uint64_t epoch, uint64_t done, double loss, const Metrics& metrics = {});
  void epoch_done(const EpochRecord& record);
  // A line of its own between the others.
  void note(std::string_view text);

 private:
  void put(const std::string& text);
  void clear_bar();
  bool due();  // whether the bar may be drawn again
  void draw_bar(uint64_t epoch, uint64_t done, const std::string& values);

  ProgressOptions options_;
  ProgressMode mode_;
  uint64_t epochs_ = 0, steps_ = 0;
  double started_ = 0, drawn_ = 0;
  bool bar_shown_ = false, ever_drawn_ = false;
};

// "0.1432": four significant digits, point always; for people, not for reading back.
std::string short_number(double value);
// "41s", "3m05s", "2h10m".
std::string short_time(double seconds);

}  // namespace tenon::runtime
