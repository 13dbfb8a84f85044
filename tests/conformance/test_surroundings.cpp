// Surroundings. Unfriendly ones change nothing: no HOME, no terminal, a locale with decimal commas (of the
// command and of a host of the library), a root that a user without rights cannot write to.
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <locale>
#include <sstream>

#include "catch.h"
#include "conformance/command_runner.h"
#include "driver/program/program.h"
#include "object/aot/export.h"
#include "paths.h"
#include "runtime/csv.h"

namespace tenon::test {
namespace {

const char* const scale = R"(tenon 1
module scale
dim n = 1..64
param b : f32[3] = constant(1.5)
func f(x: f32[n,3]) -> y: f32[n,3] {
  h = mul x, 12345.5
  y = add h, b
  return y
}
)";
const std::string line = "run s.tenon f --input 'x=[[1.25, 2, 4]]' --output y=@y.npy --json";

void expect(const Ran& ran, int status) {
  INFO(ran.out);
  INFO(ran.err);
  REQUIRE(ran.status == status);
  REQUIRE(ran.signal == 0);
}

// A locale that writes 1.234,5, in the folder's loc/. False where its sources are missing (package locales).
bool make_locale(const Folder& folder) {
  return folder.shell("mkdir loc && localedef -i de_DE -f UTF-8 loc/de_DE.UTF-8").status == 0;
}

// Makes that locale the process's, for C and for C++, until the end of the scope.
class Commas {
 public:
  explicit Commas(const Folder& folder) {
    setenv("LOCPATH", folder.path("loc").c_str(), 1);
    std::locale::global(std::locale("de_DE.UTF-8"));  // of C as well, as it has a name
    std::ostringstream cxx;
    cxx << 1234.5;
    char c[16];
    std::snprintf(c, sizeof c, "%.1f", 1234.5);
    REQUIRE(cxx.str() == "1.234,5");
    REQUIRE(std::string(c) == "1234,5");
  }
  ~Commas() {
    std::locale::global(std::locale::classic());
    unsetenv("LOCPATH");
  }
  Commas(const Commas&) = delete;
  Commas& operator=(const Commas&) = delete;
};

// What a host gets as text, or reads from it: dumps, an object with its header and example, csv, errors.
std::string everything() {
  std::string out;
  auto unit = driver::read_unit(scale, "s.tenon");
  REQUIRE(unit);
  out += driver::print_unit(*unit).value();
  driver::CompileOptions options;
  options.cpu = "x86-64-v3";
  auto kernels = driver::to_kernels(std::move(*unit), options);
  REQUIRE(kernels);
  driver::Unit lowered;
  lowered.code = *kernels;
  lowered.stage = driver::Stage::kernel;
  out += driver::print_unit(lowered).value();
  const auto exported = object::export_object(*kernels, *target::find_target(options.cpu));
  REQUIRE(exported);
  out += exported->header + exported->example;
  const auto add_hash = [&](const void* data, size_t bytes) {
    out += std::to_string(std::hash<std::string_view>()({static_cast<const char*>(data), bytes})) + "\n";
  };
  add_hash(exported->elf.data(), exported->elf.size());
  const auto table = runtime::parse_csv("a,b\n1.5,2.25\n-3e-2,12345.5\n", "t.csv");
  REQUIRE(table);
  for (const char* column : {"x", "y"}) {
    const support::Array& array = *table->find(column)->array;
    add_hash(array.data(), array.bytes());
  }
  out += driver::read_unit(
             "tenon 1\nmodule m\nfunc f(x: f32[3]) -> y: f32[3] {\n  y = mul x, 0,5\n  return y\n}\n", "e")
             .errors()
             .text();
  return out;
}

}  // namespace

TEST_CASE("no HOME, no PATH and no terminal change nothing") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran plain = folder.tenon(line);
  expect(plain, 0);
  const std::string bytes = folder.read("y.npy");
  const Ran homeless = folder.shell("env -i PATH=/nonexistent " TENON_BIN_DIR "/tenon " + line);
  expect(homeless, 0);
  CHECK(homeless.out == plain.out);
  CHECK(folder.read("y.npy") == bytes);
}

TEST_CASE("on a terminal training shows its bar, elsewhere only lines") {
  const Folder folder;
  expect(folder.tenon("new mlp -o m.tenon"), 0);
  const std::string train =
      "train m.tenon --data digits:rows=20000,seed=1 --epochs 4 --batch 64 -o w.safetensors";
  const Ran lines = folder.tenon(train);
  expect(lines, 0);
  CHECK(lines.err.find("epoch 4/4  313 steps  loss") != std::string::npos);
  CHECK(lines.err.find('\x1b') == std::string::npos);
  const std::string weights = folder.read("w.safetensors");
  if (folder.shell("command -v script").status != 0) {
    WARN("skipped: training on a terminal (script is missing)");
    return;
  }
  const Ran bar = folder.shell("TERM=xterm script -qec '" TENON_BIN_DIR "/tenon " + train + "' /dev/null");
  expect(bar, 0);
  CHECK(bar.out.find("/4 [") != std::string::npos);
  CHECK(bar.out.find("/313  loss ") != std::string::npos);
  CHECK(bar.out.find("  eta ") != std::string::npos);
  CHECK(bar.out.find("\r\x1b[Kepoch ") != std::string::npos);
  CHECK(bar.out.find("epoch 4/4  313 steps  loss") != std::string::npos);
  CHECK(folder.read("w.safetensors") == weights);
}

TEST_CASE("a locale with decimal commas changes nothing") {
  const Folder folder;
  folder.write("s.tenon", scale);
  if (!make_locale(folder)) {
    WARN("skipped: a locale with decimal commas (localedef or the sources of locales are missing)");
    return;
  }
  const Ran plain = folder.tenon(line);
  expect(plain, 0);
  const std::string bytes = folder.read("y.npy");
  const std::string active = "export LOCPATH=$PWD/loc LC_ALL=de_DE.UTF-8 && ";
  REQUIRE(folder.shell(active + "bash -c 'printf %.1f 1,5'").out == "1,5");
  const Ran commas = folder.shell(active + "tenon " + line);
  expect(commas, 0);
  CHECK(commas.out == plain.out);
  CHECK(folder.read("y.npy") == bytes);

  // The command may never ask for the user's locale; a host of the library may well have.
  const std::string before = everything();
  const Commas in_process(folder);
  CHECK(everything() == before);
}

TEST_CASE("a root that cannot be written to changes nothing for a user without rights") {
  const Folder folder;
  folder.write("s.tenon", scale);
  expect(folder.tenon(line), 0);
  const std::string bytes = folder.read("y.npy");

  // A copy of the whole tree of mounts under root/, every one of them read-only but out/; root runs the
  // command as nobody, everybody else as the root of a user namespace, who has no rights outside.
  expect(folder.shell("mkdir -m 755 root && mkdir -m 777 out && cp " TENON_BIN_DIR
                      "/tenon . && chmod 755 tenon"),
         0);
  folder.write("seal.sh", R"(set -e
mount --rbind / root
awk -v top="$PWD/root" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | while read -r mount; do
  mount -o remount,bind,ro "$mount" 2>/dev/null || case "$mount" in "$PWD"/root/proc* | "$PWD"/root/sys*) ;; *) exit 1 ;; esac
done
mount --bind out "root$PWD/out"
for file in /.probe "$PWD/.probe" /tmp/.probe; do
  if touch "root$file" 2>/dev/null; then echo "$file can be written" >&2; exit 1; fi
done
as=
[ "$1" != nobody ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"
shift
exec env -u HOME chroot root $as sh -c "cd '$PWD' && $*"
)");
  const bool root = geteuid() == 0;
  const std::string seal =
      std::string("unshare ") + (root ? "-m sh seal.sh nobody " : "-rm sh seal.sh mapped ");
  const Ran possible = folder.shell(seal + "id -u");
  if (possible.status != 0) {
    WARN("skipped: a read-only root (no mounts in a namespace here: " + possible.err + ")");
    return;
  }
  CHECK(possible.out == (root ? "65534\n" : "0\n"));
  const Ran sealed =
      folder.shell(seal + "\"./tenon run s.tenon f --input 'x=[[1.25, 2, 4]]' --output y=@out/y.npy\"");
  expect(sealed, 0);
  CHECK(folder.read("out/y.npy") == bytes);
  const Ran refused =
      folder.shell(seal + "\"./tenon run s.tenon f --input 'x=[[1.25, 2, 4]]' --output y=@z.npy\"");
  CHECK(refused.status == 4);
  CHECK(refused.err.find("z.npy") != std::string::npos);
}

}  // namespace tenon::test
