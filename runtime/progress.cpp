#include "runtime/progress.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "support/text.h"

namespace tenon::runtime {
namespace {

constexpr double redraw_seconds = 0.1;
constexpr size_t bar_width = 20;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return ::isatty(fd) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

size_t columns(const ProgressOptions& o) {
  if (o.width > 0) return static_cast<size_t>(o.width);
  winsize size{};
  if (::ioctl(o.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string values(double loss, const Metrics& metrics) {
  std::string out = "  loss " + short_number(loss);
  for (const auto& [name, value] : metrics) out += "  " + name + " " + short_number(value);
  return out;
}

// At most `width` characters, never half of a UTF-8 sequence.
void shorten(std::string* text, size_t width) {
  size_t seen = 0;
  for (size_t i = 0; i < text->size(); ++i) {
    if ((static_cast<unsigned char>((*text)[i]) & 0xC0) == 0x80) continue;
    if (seen++ == width) {
      text->resize(i);
      return;
    }
  }
}

}  // namespace

std::string short_number(double value) {
  if (!std::isfinite(value)) return support::format_float(value);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 4).ptr;
  return support::short_exponent(std::string(buffer, end));
}

std::string short_time(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 9.95) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, seconds, std::chars_format::fixed, 1).ptr;
    return std::string(buffer, end) + "s";
  }
  const auto s = static_cast<uint64_t>(seconds + 0.5);
  auto two = [](uint64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); };
  if (s < 60) return std::to_string(s) + "s";
  if (s < 3600) return std::to_string(s / 60) + "m" + two(s % 60) + "s";
  return std::to_string(s / 3600) + "h" + two(s / 60 % 60) + "m";
}

Progress::Progress(ProgressOptions options) : options_(std::move(options)), mode_(options_.mode) {
  if (mode_ == ProgressMode::detect)
    mode_ = is_terminal(options_.fd) ? ProgressMode::bar : ProgressMode::lines;
  if (!options_.now) options_.now = steady_seconds;
}

Progress::~Progress() { clear_bar(); }

void Progress::put(const std::string& text) {
  if (options_.write) {
    options_.write(text);
    return;
  }
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t n = ::write(options_.fd, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    left.remove_prefix(static_cast<size_t>(n));
  }
}

void Progress::clear_bar() {
  if (bar_shown_) put("\r\x1b[K");
  bar_shown_ = false;
}

void Progress::begin(uint64_t epochs, uint64_t steps_per_epoch) {
  epochs_ = epochs;
  steps_ = steps_per_epoch;
  started_ = options_.now();
  ever_drawn_ = false;
}

bool Progress::due() {
  if (mode_ != ProgressMode::bar) return false;
  const double now = options_.now();
  if (ever_drawn_ && now - drawn_ < redraw_seconds) return false;
  drawn_ = now;
  ever_drawn_ = true;
  return true;
}

void Progress::step(uint64_t epoch, uint64_t done) {
  if (due()) draw_bar(epoch, done, "");
}
void Progress::step(uint64_t epoch, uint64_t done, double loss, const Metrics& metrics) {
  if (due()) draw_bar(epoch, done, values(loss, metrics));
}

void Progress::draw_bar(uint64_t epoch, uint64_t done, const std::string& values) {
  const uint64_t shown = std::min(done, steps_);
  const size_t filled =
      steps_ == 0 ? 0
                  : static_cast<size_t>(static_cast<double>(shown) / static_cast<double>(steps_) * bar_width);
  std::string bar(filled, '=');
  if (filled < bar_width) bar += '>';
  bar.resize(bar_width, ' ');
  std::string text = "epoch " + std::to_string(epoch) + "/" + std::to_string(epochs_) + " [" + bar + "]  " +
                     std::to_string(done) + "/" + std::to_string(steps_) + values;
  const double before =
      static_cast<double>(epoch - 1) * static_cast<double>(steps_) + static_cast<double>(shown);
  const double total = static_cast<double>(epochs_) * static_cast<double>(steps_);
  if (before > 0) text += "  eta " + short_time((drawn_ - started_) / before * std::max(0.0, total - before));
  // One column stays free: some terminals wrap at the last one.
  shorten(&text, columns(options_) - 1);
  put("\r" + text + "\x1b[K");
  bar_shown_ = true;
}

void Progress::epoch_done(const EpochRecord& r) {
  if (mode_ == ProgressMode::off) return;
  clear_bar();
  put("epoch " + std::to_string(r.epoch) + "/" + std::to_string(std::max(epochs_, r.epoch)) + "  " +
      std::to_string(r.steps) + (r.steps == 1 ? " step" : " steps") + values(r.loss, r.metrics) + "  " +
      short_time(r.seconds) + "\n");
}

void Progress::note(std::string_view text) {
  if (mode_ == ProgressMode::off) return;
  clear_bar();
  put(std::string(text) + "\n");
}

}  // namespace tenon::runtime
