// Hosts. Whatever the process around the library is like, it lives, results keep their bits, and what stood
// on the disk stays or is replaced whole: forked, with small stacks, short of memory, with rounding, flushing
// and traps of its own, with closed descriptors, on a full disk, cancelled.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <cerrno>
#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "catch.h"
#include "conformance/command_report.h"
#include "paths.h"
#include "runtime/file.h"
#include "tenon/tenon.h"

namespace tenon::test {
namespace {

// Wide enough that its phases are cut into chunks: a pool of several workers is used by all that runs here.
constexpr int64_t rows = 510, width = 128;
const char* const model_text = R"(tenon 1
module host
dim batch = 1..1024
hyper lr = 0.01 : f32
param w : f32[128,128] = glorot_uniform
param b : f32[128] = constant(1e-40)
func predict(x: f32[batch,128]) -> p: f32[batch,128] {
  h = dense x, w, b
  d = dropout h {rate = 0.1}
  e = tanh d
  t = const [2e-39, 0.1] : f32[2]
  s = reduce_sum t {axes = [0]}
  u = mul e, 1.1
  p = add u, s
  return p
}
func loss(x: f32[batch,128], y: f32[batch,128]) -> loss: f32[] {
  p = call predict(x)
  l = mse p, y
  return l
}
derive train = step loss {with = adam {lr = lr}}
)";

// What a host does with the library, from C, each step only where those before have succeeded.
class Use {
 public:
  Use() = default;
  ~Use() {
    tenon_session_free(session);
    tenon_state_free(state);
    tenon_program_free(program);
    tenon_module_free(module);
    tenon_options_free(options);
    tenon_data_free(data);
    tenon_data_free(table);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  bool did(tenon_status s) {
    if (status == 0) status = s;
    return status == 0;
  }
  bool compile(bool isolate = false, const char* threads = "0") {
    return did(tenon_module_parse(model_text, std::strlen(model_text), "m.tenon", &module, nullptr)) &&
           did(tenon_options_new(&options, nullptr)) &&
           did(tenon_options_set(options, "isolate", isolate ? "true" : "false", nullptr)) &&
           did(tenon_options_set(options, "threads", threads, nullptr)) &&
           did(tenon_compile(module, options, &program, nullptr));
  }
  // A fresh state and session.
  bool start(uint32_t threads) {
    tenon_session_free(session);
    tenon_state_free(state);
    session = nullptr;
    state = nullptr;
    return did(tenon_state_init(program, 7, &state, nullptr)) &&
           did(tenon_session_new(program, state, threads, &session, nullptr));
  }
  bool load_data() {
    std::vector<float> x(rows * width), y(rows * width);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64;
      y[i] = static_cast<float>(static_cast<int>(i * 53 % 89) - 44) / 64;
    }
    const int64_t shape[] = {rows, width};
    const char* const names[] = {"x", "y"};
    const tenon_tensor columns[] = {{x.data(), TENON_F32, 2, shape}, {y.data(), TENON_F32, 2, shape}};
    return did(tenon_data_new(names, columns, 2, &data, nullptr));
  }
  bool fit(uint32_t epochs, const volatile int32_t* cancel = nullptr, const char* history = nullptr,
           int32_t progress = 0) {
    tenon_fit_options o{};
    o.size_of = sizeof o;
    o.batch = 120;  // four batches and a shorter one
    o.epochs = epochs;
    o.cancel = cancel;
    o.history = history;
    o.progress = progress;
    return did(tenon_session_fit(session, data, &o, nullptr, nullptr));
  }
  // Whether workers have something to share.
  bool cut_in_chunks() {
    char* text = nullptr;
    if (!did(tenon_module_print(module, "kernel", options, &text, nullptr))) return false;
    const bool found = std::strstr(text, "parallel ") != nullptr;
    tenon_text_free(text);
    return found;
  }
  // The state and the model's answers.
  std::string answers() {
    std::string out = std::to_string(tenon_state_hash(state));
    tenon_array* p = nullptr;
    if (!did(tenon_session_run_data(session, "predict", data_of_x(), &p, 1, nullptr, nullptr))) return out;
    out += " " + hash(tenon_array_view(p), rows * width * 4);
    tenon_array_free(p);
    tenon_history* seen = nullptr;
    if (!did(tenon_session_evaluate(session, data, "train", 32, &seen, nullptr))) return out;
    const double loss = tenon_history_at(seen, 0).loss;
    tenon_history_free(seen);
    return out + " " + hash({const_cast<double*>(&loss), TENON_F64, 0, nullptr}, sizeof loss);
  }
  // Texts of every stage, numbers in and out of them, generated and scaled data, an error.
  std::string texts() {
    std::string out;
    for (const char* stage : {"graph", "optimized", "kernel"}) {
      char* text = nullptr;
      if (!did(tenon_module_print(module, stage, options, &text, nullptr))) return out;
      out += text;
      tenon_text_free(text);
    }
    tenon_model* model = nullptr;
    tenon_value x = 0, small = 0;
    if (!did(tenon_model_new("built", &model, nullptr)) ||
        !did(tenon_model_input(model, "x", "f32[3]", &x, nullptr)) ||
        !did(tenon_model_literal(model, 1e-40, x, &small, nullptr)))
      return out;
    const tenon_value operands[] = {x, small};
    tenon_value sum = 0;
    const char* const name = "s";
    tenon_module* built = nullptr;
    char* text = nullptr;
    if (did(tenon_model_op(model, "add", operands, 2, nullptr, &sum, 1, nullptr, nullptr)) &&
        did(tenon_model_function(model, "f", &name, &sum, 1, nullptr)) &&
        did(tenon_model_finish(model, &built, nullptr)) &&
        did(tenon_module_print(built, nullptr, nullptr, &text, nullptr)))
      out += text;
    tenon_text_free(text);
    tenon_module_free(built);
    tenon_model_free(model);
    for (const char* spec : {"regression:rows=20,features=2,noise=0.1,seed=3", "digits:rows=4,seed=1"}) {
      tenon_data *made = nullptr, *scaled = nullptr;
      if (!did(tenon_data_load(spec, &made, nullptr, nullptr))) return out;
      tenon_tensor view{};
      if (did(tenon_data_scale(made, tenon_data_column(made, 0), 1e-39, &scaled, nullptr)) &&
          did(tenon_data_view(scaled, tenon_data_column(made, 0), &view, nullptr)))
        out += hash(view, 4 * 20);
      tenon_data_free(made);
      tenon_data_free(scaled);
    }
    tenon_error* error = nullptr;
    const char* const wrong = "tenon 1\nmodule m\nfunc f(x: f32[3]) -> y: f32[3] {\n  y = mull x, 1e-40\n}\n";
    tenon_module* none = nullptr;
    if (tenon_module_parse(wrong, std::strlen(wrong), nullptr, &none, &error) == 0) status = -1;
    out += tenon_error_text(error);
    tenon_error_free(error);
    return out;
  }
  std::string csv(const std::string& path) {
    tenon_tensor view{};
    if (!did(tenon_data_load(path.c_str(), &table, nullptr, nullptr)) ||
        !did(tenon_data_view(table, "x", &view, nullptr)))
      return "";
    return hash(view, 12);
  }

  tenon_status status = 0;
  tenon_module* module = nullptr;
  tenon_options* options = nullptr;
  tenon_program* program = nullptr;
  tenon_state* state = nullptr;
  tenon_session* session = nullptr;
  tenon_data *data = nullptr, *table = nullptr;

 private:
  const tenon_data* data_of_x() const { return data; }
  static std::string hash(const tenon_tensor& t, size_t bytes) {
    return std::to_string(std::hash<std::string_view>()({static_cast<const char*>(t.data), bytes}));
  }
};

// All of it in one process and thread.
std::string everything(tenon_status* status, uint32_t threads = 1, bool isolate = false) {
  Use use;
  std::string out;
  if (use.compile(isolate) && use.start(threads) && use.load_data() && use.fit(2)) out = use.answers();
  *status = use.status;
  return out;
}

// Runs f in a child of fork; its answer, or how it ended. A child that hangs is ended.
struct Child {
  int status = -1, signal = 0;
  std::string out;
};
Child in_child(const std::function<int(std::string*)>& f, unsigned seconds = 60) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    // The test's own handlers of signals stay with the test.
    for (const int s : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL, SIGTERM, SIGALRM}) ::signal(s, SIG_DFL);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(seconds);
    std::string out;
    const int status = f(&out);
    ssize_t n = write(ends[1], out.data(), out.size());
    _exit(n < 0 ? 99 : status);
  }
  close(ends[1]);
  Child child;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) child.out.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) child.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) child.signal = WTERMSIG(status);
  return child;
}

const std::string& expected() {
  static const std::string answers = [] {
    tenon_status status = 0;
    std::string out = everything(&status);
    REQUIRE(status == 0);
    return out;
  }();
  return answers;
}

}  // namespace

TEST_CASE("a child of fork goes on with its parent's session") {
  for (const uint32_t threads : {1u, 2u, 3u}) {
    CAPTURE(threads);
    Use use;
    REQUIRE(use.compile());
    CHECK(use.cut_in_chunks());
    REQUIRE(use.start(threads));
    REQUIRE(use.load_data());
    REQUIRE(use.fit(1));
    auto rest = [&](std::string* out) {
      use.fit(1);
      *out = use.answers();
      return static_cast<int>(use.status);
    };
    // And so does a child of the child, and the parent after them.
    const Child child = in_child([&](std::string* out) {
      const Child inner = in_child(rest, 20);
      const int status = rest(out);
      return inner.out == *out && inner.status == 0 ? status : 98;
    });
    CHECK(child.signal == 0);
    CHECK(child.status == 0);
    CHECK(child.out == expected());
    // One that ends without a run, and takes the session down.
    CHECK(in_child([&](std::string*) {
            tenon_session_free(use.session);
            use.session = nullptr;
            return 0;
          }).status == 0);
    std::string out;
    CHECK(rest(&out) == 0);
    CHECK(out == expected());
  }
}

TEST_CASE("a thread of 64 KiB compiles, trains and runs") {
  struct Answer {
    tenon_status status = -1;
    std::string out, texts;
  } small, large;
  auto work = [](void* p) -> void* {
    Answer& answer = *static_cast<Answer*>(p);
    Use use;
    // Without helpers: all code is generated from where the call came, that of the loop at the first fit too.
    if (use.compile(false, "1") && use.start(2) && use.load_data() && use.fit(2)) answer.out = use.answers();
    answer.texts = use.texts();
    answer.status = use.status;
    return nullptr;
  };
  work(&large);
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, work, &small) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  CHECK(small.status == 0);
  CHECK(small.out == expected());
  CHECK(small.texts == large.texts);
  // The command is not bound to the shell's limit either.
  const Folder folder;
  folder.write("m.tenon", model_text);
  const Ran ran = folder.shell("ulimit -s 256; tenon compile m.tenon -o m");
  INFO(ran.err);
  CHECK(ran.status == 0);
}

TEST_CASE("the host's floating-point environment is neither used nor changed") {
  const Folder folder;
  folder.write("t.csv", "x,y\n1e-40,0.1\n-3e-2,12345.5\n0.3,2e-39\n");
  auto all = [&](tenon_status* status) {
    Use use;
    std::string out;
    if (use.compile() && use.start(2) && use.load_data() && use.fit(2)) out = use.answers() + "\n";
    out += use.texts() + use.csv(folder.path("t.csv"));
    *status = use.status;
    return out;
  };
  tenon_status status = 0;
  const std::string plain = all(&status);
  REQUIRE(status == 0);
  struct Environment {
    const char* name;
    int rounding;
    unsigned mxcsr;  // added: flushes (8040) or unmasked traps (cleared below)
    bool traps;
  };
  const Environment environments[] = {
      {"upward", FE_UPWARD, 0, false},      {"downward", FE_DOWNWARD, 0, false},
      {"to zero", FE_TOWARDZERO, 0, false}, {"flushing", FE_TONEAREST, 0x8040, false},
      {"traps", FE_TONEAREST, 0, true},     {"all at once", FE_UPWARD, 0x8040, true}};
  for (const Environment& e : environments) {
    const Child child = in_child([&](std::string* out) {
      fesetround(e.rounding);
      _mm_setcsr(_mm_getcsr() | e.mxcsr);
      if (e.traps) feenableexcept(FE_ALL_EXCEPT);
      const unsigned before = _mm_getcsr() & ~0x3fu;
      tenon_status s = 0;
      *out = all(&s);
      const bool kept = (_mm_getcsr() & ~0x3fu) == before && fegetround() == e.rounding &&
                        (fegetexcept() == FE_ALL_EXCEPT) == e.traps;
      return s != 0 ? 1 : kept ? 0 : 2;
    });
    INFO(e.name);
    CHECK(child.signal == 0);
    CHECK(child.status == 0);
    CHECK((child.out == plain));
  }
}

TEST_CASE("a callback has the host's floating-point environment") {
  Use use;
  REQUIRE(use.compile());
  REQUIRE(use.start(1));
  REQUIRE(use.load_data());
  tenon_fit_options o{};
  o.size_of = sizeof o;
  int seen = -1;
  o.context = &seen;
  o.on_epoch = [](void* context, const tenon_report*) -> int32_t {
    *static_cast<int*>(context) = fegetround();
    return 0;
  };
  fesetround(FE_UPWARD);
  const tenon_status status = tenon_session_fit(use.session, use.data, &o, nullptr, nullptr);
  const int after = fegetround();
  fesetround(FE_TONEAREST);
  CHECK(status == 0);
  CHECK(seen == FE_UPWARD);
  CHECK(after == FE_UPWARD);
}

namespace {

// Compiles, trains and runs in a child that may have `more` bytes of address space beyond what it has: right,
// or refused with T611.
void short_of_memory(size_t more, bool isolate) {
  const Child child = in_child([&](std::string* out) {
    // The allocator's free lists do not count.
    long long pages = 0;
    if (FILE* file = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(file, "%lld", &pages) != 1) pages = 0;
      std::fclose(file);
    }
    const rlim_t limit = static_cast<rlim_t>(pages) * 4096 + more;
    const rlimit space{limit, limit};
    setrlimit(RLIMIT_AS, &space);
    tenon_status status = 0;
    try {
      *out = everything(&status, 2, isolate);
    } catch (const std::bad_alloc&) {  // the test's own
      return 2;
    }
    return status == 0 ? 0 : status == 611 ? 2 : 1;
  });
  INFO("MiB beyond what the process has: " << (more >> 20) << (isolate ? ", isolated" : ""));
  CHECK(child.signal == 0);
  CHECK((child.status == 0 || child.status == 2));
  if (child.status == 0) CHECK(child.out == expected());
}

}  // namespace

TEST_CASE("short of memory the host lives") {
  if (std::string(TENON_SANITIZE) != "")
    return;  // a sanitizer ends the process where its own memory is short
  expected();
  for (const size_t more : {0, 8, 40, 100, 180, 400}) short_of_memory(more << 20, more == 100);
}

TEST_CASE("short of memory, in small steps, the host lives", "[long]") {
  if (std::string(TENON_SANITIZE) != "") return;
  expected();
  for (size_t more = 0; more <= 2048; more += more < 320 ? 4 : 64)
    for (const bool isolate : {false, true}) short_of_memory(more << 20, isolate);
}

TEST_CASE("the command under a limit of memory answers", "[long]") {
  const Folder folder;
  folder.write("m.tenon", model_text);
  for (int megabytes = 64; megabytes <= 2048; megabytes += megabytes < 512 ? 8 : 128) {
    const Ran ran =
        folder.shell("ulimit -v " + std::to_string(megabytes * 1024) + "; tenon compile m.tenon -o m");
    INFO(megabytes << " MiB: status " << ran.status << " " << ran.err);
    // 127: the loader itself has no room.
    CHECK((ran.status == 0 || ran.status == 3 || ran.status == 127));
    CHECK(ran.signal == 0);
  }
}

TEST_CASE("code generation in a process of its own gives the same program") {
  tenon_status status = 0;
  CHECK(everything(&status, 1, true) == expected());
  CHECK(status == 0);
}

namespace {

// A host writes to what it has closed, whenever a file of ours is about to be used.
std::vector<int> closed;
int host_writes(runtime::FileCall, size_t*) {
  for (const int fd : closed) (void)!write(fd, "lost", 4);
  return 0;
}

}  // namespace

TEST_CASE("closed descriptors change nothing, and no file stands in for them") {
  for (const std::vector<int>& which : {std::vector<int>{0, 1, 2}, {2}}) {
    INFO(which.size() << " closed");
    const Folder folder;
    const Child child = in_child([&](std::string* out) {
      closed = which;
      for (const int fd : closed) close(fd);
      runtime::set_file_hook(host_writes);
      Use use;
      const std::string history = folder.path("h.jsonl"), weights = folder.path("w.safetensors");
      if (use.compile() && use.start(2) && use.load_data() && use.fit(2, nullptr, history.c_str(), 1))
        *out = use.answers();
      use.did(tenon_state_save(use.state, weights.c_str(), nullptr));
      use.did(tenon_state_load(use.state, weights.c_str(), 0, nullptr, nullptr));
      return static_cast<int>(use.status);
    });
    CHECK(child.status == 0);
    CHECK(child.out == expected());
    const std::string lines = folder.read("h.jsonl");
    CHECK(lines.starts_with("{\"epoch\":1,"));
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
    CHECK(lines.find("epoch 1/2") == std::string::npos);
    CHECK(lines.find("lost") == std::string::npos);
  }
}

namespace {

// Calls on files from this number on find the disk full.
int disk_calls = 0, full_from = -1;
int full_disk(runtime::FileCall call, size_t* bytes) {
  const bool writes = call == runtime::FileCall::create || call == runtime::FileCall::write ||
                      call == runtime::FileCall::sync || call == runtime::FileCall::rename;
  if (!writes) return 0;
  if (full_from >= 0 && disk_calls++ >= full_from) {
    if (call != runtime::FileCall::write || *bytes < 2) return ENOSPC;
    *bytes /= 2;  // a part still fits
    if (disk_calls > full_from + 1) return ENOSPC;
  }
  return 0;
}
struct FullDisk {
  explicit FullDisk(int from) {
    disk_calls = 0;
    full_from = from;
    runtime::set_file_hook(full_disk);
  }
  ~FullDisk() { runtime::set_file_hook(nullptr); }
};

bool whole_lines(const std::string& text) { return text.empty() || text.back() == '\n'; }

}  // namespace

TEST_CASE("a full disk at any write leaves what was there, and training goes on") {
  const Folder folder;
  const std::string weights = folder.path("w.safetensors"), history = folder.path("h.jsonl");
  Use use;
  REQUIRE(use.compile());
  REQUIRE(use.start(1));
  REQUIRE(use.load_data());
  REQUIRE(tenon_state_save(use.state, weights.c_str(), nullptr) == 0);
  const std::string old = folder.read("w.safetensors");
  REQUIRE(use.fit(1));
  for (int from = 0; from < 4; ++from) {
    CAPTURE(from);
    const FullDisk full(from);
    CHECK(tenon_state_save(use.state, weights.c_str(), nullptr) == 404);
    CHECK(folder.read("w.safetensors") == old);
  }
  for (int from = 0; from < 5; ++from) {
    CAPTURE(from);
    REQUIRE(use.start(1));
    {
      const FullDisk full(from);
      CHECK_FALSE(use.fit(2, nullptr, history.c_str()));
    }
    CHECK(use.status == 404);
    use.status = 0;
    CHECK(use.answers() == expected());
    CHECK(whole_lines(folder.read("h.jsonl")));
  }
  // An object, its header and its example: all new, or all old.
  const std::string base = folder.path("m");
  REQUIRE(tenon_export_object(use.module, nullptr, base.c_str(), nullptr) == 0);
  const std::string object = folder.read("m.o"), header = folder.read("m.h"),
                    example = folder.read("m_example.c");
  REQUIRE_FALSE(object.empty());
  folder.write("m.h", "old");
  std::filesystem::remove(folder.path("m_example.c"));
  int failed = 0;
  for (int from = 0;; ++from) {
    const FullDisk full(from);
    const tenon_status status = tenon_export_object(use.module, nullptr, base.c_str(), nullptr);
    if (status == 0) break;
    ++failed;
    CAPTURE(from);
    CHECK(status == 404);
    CHECK(folder.read("m.h") == "old");
    CHECK_FALSE(folder.has("m_example.c"));
    CHECK((folder.read("m.o") == object));
  }
  CHECK(failed >= 12);  // create, write, sync and rename of three files
  CHECK(folder.read("m.h") == header);
  CHECK(folder.read("m_example.c") == example);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK_FALSE(entry.path().filename().string().starts_with(".tenon-"));
}

TEST_CASE("what cannot be written is found before training; what fails at its end lies elsewhere") {
  const Folder folder;
  folder.write("m.tenon", model_text);
  REQUIRE(folder.tenon("new linear -o l.tenon").status == 0);
  const std::string train = "train l.tenon --data regression:rows=40,seed=1 --quiet ";
  const std::string long_name(256, 'n');
  for (const std::string& option :
       {"-o " + long_name, "--history " + long_name, std::string("-o no/w"), std::string("-o .")}) {
    const Ran ran = folder.tenon(train + "--epochs 100000000 " + option);
    INFO(option << ": " << ran.err);
    CHECK(ran.status == 4);
  }
  CHECK(folder.tenon("compile l.tenon -o " + std::string(254, 'n')).status == 4);
  folder.write("closed", "old");
  if (geteuid() != 0) {
    std::filesystem::permissions(folder.path("closed"), std::filesystem::perms::owner_read);
    CHECK(folder.tenon(train + "--epochs 100000000 -o closed").status == 4);
  }
  // A link is followed, dangling or not.
  std::filesystem::create_symlink("target", folder.path("link"));
  CHECK(folder.tenon(train + "-o link").status == 0);
  CHECK(std::filesystem::is_symlink(folder.path("link")));
  CHECK(folder.has("target"));
  std::filesystem::create_symlink("loop2", folder.path("loop1"));
  std::filesystem::create_symlink("loop1", folder.path("loop2"));
  CHECK(folder.tenon(train + "-o loop1").status == 4);
  // A device takes no more at the end.
  const Ran full = folder.shell("TMPDIR=$PWD tenon " + train + "-o /dev/full");
  INFO(full.err);
  CHECK(full.status == 4);
  std::filesystem::rename(rescued_to(full), folder.path("rescued"));
  CHECK(folder.read("rescued") == folder.read("target"));
  const Ran lost = folder.tenon(train + "--epochs 3 --history /dev/full -o w");
  CHECK(lost.status == 4);
  CHECK(folder.has("w"));
}

TEST_CASE("training that is cancelled ends after a step, and its bits are those of the loop") {
  auto make = [](Use& use) { REQUIRE((use.compile() && use.start(1) && use.load_data())); };
  {
    // Watched, but never cancelled: steps are called one by one in the loop's order, then the loop goes on.
    Use use;
    make(use);
    const volatile int32_t never = 0;
    REQUIRE(use.fit(2, &never));
    CHECK(use.answers() == expected());
    REQUIRE(use.start(1));
    const uint64_t before = tenon_state_hash(use.state);
    const volatile int32_t now = 1;
    REQUIRE(use.fit(2, &now));
    CHECK(tenon_state_hash(use.state) == before);
  }
  Use use;
  make(use);
  volatile int32_t cancel = 0;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    __atomic_store_n(&cancel, SIGINT, __ATOMIC_RELAXED);
  });
  CHECK(use.fit(1'000'000'000, &cancel));
  other.join();
}

TEST_CASE("a signal ends training with its state written; leftovers of killed runs go") {
  const Folder folder;
  REQUIRE(folder.tenon("new mlp -o m.tenon").status == 0);
  // No process has this number.
  folder.write(".tenon-2147483646-0.tmp", "half");
  // Begun is what has shown an epoch. The binary itself: the function of that name would be a shell's
  // process.
  const Ran ended = folder.shell(
      TENON_BIN_DIR
      "/tenon train m.tenon --data digits:rows=2000,seed=1 --epochs 1000000 -o w 2>log & pid=$!; "
      "for i in $(seq 600); do grep -q 'epoch 2/' log && break; sleep 0.1; done; "
      "kill -TERM $pid; wait $pid; echo status $?");
  INFO(ended.out << ended.err);
  CHECK(ended.out.find("ended by SIGTERM") != std::string::npos);
  CHECK(ended.out.find("status 143") != std::string::npos);
  CHECK(folder.has("w"));
  CHECK(folder.tenon("eval m.tenon --data digits:rows=200,seed=2 --params w").status == 0);
  CHECK_FALSE(folder.has(".tenon-2147483646-0.tmp"));
}

TEST_CASE("epochs beyond one call of the loop are several calls") {
  const Folder folder;
  REQUIRE(folder.tenon("new linear -o l.tenon").status == 0);
  const Ran ran = folder.tenon("train l.tenon --data regression:rows=2,seed=1 --epochs 1000003 --quiet");
  INFO(ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out.find("1,000,003 steps") != std::string::npos);
}

TEST_CASE("memory that overlaps is refused by objects before anything is written") {
  const Folder folder;
  folder.write("m.tenon", model_text);
  const Ran compiled = folder.tenon("compile m.tenon --fn train -o m");
  INFO(compiled.err);
  REQUIRE(compiled.status == 0);
  folder.write("main.c", R"(
#include <string.h>
#include "m.h"
static char memory[1 << 21] __attribute__((aligned(64)));
static char kept[M_STATE_BYTES];
static float x[24 * 128], y[24 * 128];
static char *state;
static int failed;
static void expect(int line, int code, int wanted) {
  if (failed == 0 && (code != wanted || (wanted != M_OK && memcmp(state, kept, sizeof kept) != 0))) failed = line;
}
#define EXPECT(code, call) expect(__LINE__, call, code)
int main(void) {
  char *arena = memory;
  const size_t bytes = 1 << 20;
  float loss[64];
  float *inside = (float *)(memory + 512);
  m_train_epochs_args args;
  state = memory + (1 << 20) + 4096;
  if (m_init(state, M_STATE_BYTES, 7) != M_OK) return 100;
  memcpy(kept, state, sizeof kept);
  EXPECT(M_E_OVERLAP, m_train(state, x, y, 20, 0.01f, loss, state - 64, bytes, NULL));
  EXPECT(M_E_OVERLAP, m_train(state, x, y, 20, 0.01f, loss, state - 1024, bytes, NULL));
  EXPECT(M_E_OVERLAP, m_train(state, inside, y, 20, 0.01f, loss, arena, bytes, NULL));
  EXPECT(M_E_OVERLAP, m_train(state, x, inside, 20, 0.01f, loss, arena, bytes, NULL));
  EXPECT(M_E_OVERLAP, m_train(state, x, y, 20, 0.01f, inside, arena, bytes, NULL));
  memset(&args, 0, sizeof args);
  args.x = x;
  args.y = y;
  args.batch = 20;
  args.rows = 24;
  args.epochs = 2;
  args.lr = 0.01f;
  args.loss = (float *)(void *)&args;
  EXPECT(M_E_OVERLAP, m_train_epochs(state, &args, arena, bytes, NULL));
  args.loss = inside;
  EXPECT(M_E_OVERLAP, m_train_epochs(state, &args, arena, bytes, NULL));
  args.loss = loss;
  memcpy(memory + 1024, &args, sizeof args);
  EXPECT(M_E_OVERLAP, m_train_epochs(state, (m_train_epochs_args *)(void *)(memory + 1024), arena, bytes, NULL));
  EXPECT(M_OK, m_train(state, x, y, 20, 0.01f, loss, arena, bytes, NULL));
  EXPECT(M_OK, m_train_epochs(state, &args, arena, bytes, NULL));
  args.loss = NULL;
  EXPECT(M_OK, m_train_epochs(state, &args, arena, bytes, NULL));
  return failed;
}
)");
  const Ran built = folder.shell(TENON_CC " -std=c99 main.c m.o -o main");
  INFO(built.err);
  REQUIRE(built.status == 0);
  const Ran ran = folder.shell("./main; echo line $?");
  CHECK(ran.out == "line 0\n");
}

}  // namespace tenon::test
