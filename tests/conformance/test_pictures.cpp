// Pictures, CIFAR and data in blocks with the command: in, out, trained on, evaluated; and every refusal by
// name.
#include <filesystem>

#include "common/picture_bytes.h"
#include "conformance/command_report.h"
#include "paths.h"
#include "pictures/pictures.h"
#include "runtime/npy.h"

namespace tenon::test {
namespace {

namespace fs = std::filesystem;
using support::Array;
using support::DType;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool missing(runtime::PictureForm form = runtime::PictureForm::png) {
  if (pictures::codec().has(form)) return false;
  WARN("skipped: this build has no library for pictures");
  return true;
}

Array read(const Folder& folder, const std::string& name) {
  auto r = runtime::read_picture(folder.path(name), &pictures::codec());
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

void put(const Folder& folder, const std::string& name, const std::string& bytes) {
  fs::create_directories(fs::path(folder.path(name)).parent_path());
  folder.write(name, bytes);
}

void refused(const Folder& folder, const std::string& command, const std::string& code, int status,
             const std::vector<std::string>& telling) {
  INFO(command);
  const Ran ran = folder.tenon(command);
  INFO(ran.out << ran.err);
  CHECK(ran.status == status);
  CHECK(ran.signal == 0);
  CHECK(ran.err.starts_with("error[" + code + "]: "));
  for (const std::string& part : telling) {
    INFO("wanted: " << part);
    CHECK(contains(ran.err, part));
  }
}

const char* const model = R"(tenon 1
module m
dim batch = 1..64
dim h = 1..600
dim w = 1..600
func negative(image: u8[h,w,3]) -> y: u8[h,w,3] {
  white = const 255 : u8[]
  y = sub white, image
  return y
}
func bright(image: f32[1,4,6]) -> y: f32[1,4,6] {
  y = mul image, 0.00392156862745098
  return y
}
func tiles(x: u8[batch,2,2,1]) -> y: u8[batch,2,2,1] {
  y = add x, 0
  return y
}
func odd(x: f32[4,5]) -> y: f32[4,5], z: f32[2,2,4,5], n: i32[4,5] {
  y = add x, 1.0
  r = reshape x {shape = [1, 1, 4, 5]}
  z = broadcast r {shape = [2, 2, 4, 5]}
  n = cast x {to = i32}
  return y, z, n
}
)";

// Two classes of 4 x 4 pictures: bright above, or below.
std::string half(bool above, int noise) {
  std::string out;
  for (int i = 0; i < 16; ++i)
    out += static_cast<char>(((i < 8) == above ? 200 : 30) + (i * 7 + noise * 13) % 20);
  return png(4, 4, png_gray, out);
}
const char* const classifier = R"(tenon 1
module two
dim batch = 1..64
param w : f32[16,CLASSES] = zeros
param b : f32[CLASSES] = zeros
func predict(image: f32[batch,4,4,1]) -> z: f32[batch,CLASSES] {
  x = mul image, 0.004
  f = flatten x
  z = dense f, w, b
  return z
}
func loss(image: f32[batch,4,4,1], label: i32[batch]) -> loss: f32[] {
  z = call predict(image)
  l = cross_entropy z, label
  return l
}
func accuracy(image: f32[batch,4,4,1], label: i32[batch]) -> f32[] {
  z = call predict(image)
  a = accuracy z, label
  return a
}
derive train = step loss {with = adam {lr = 0.05}, metrics = [accuracy]}
)";
std::string classifier_of(int classes) {
  std::string out = classifier;
  for (size_t at = 0; (at = out.find("CLASSES")) != std::string::npos;)
    out.replace(at, 7, std::to_string(classes));
  return out;
}

}  // namespace

TEST_CASE("a picture goes in and comes out") {
  if (missing()) return;
  const Folder folder;
  folder.write("m.tenon", model);
  folder.write("in.png", png(2, 1, png_rgb, "\1\2\3\xff\x80\1"));
  const Ran ran = folder.tenon("run m.tenon negative --input image=@in.png --output y=@out.png");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(ran.out == "y : u8[1,2,3]  out.png\n");
  CHECK(read(folder, "out.png") == Array::of<uint8_t>({1, 2, 3}, {254, 253, 252, 0, 127, 254}));
  // Gray becomes what the input declares; a palette too.
  folder.write("gray.png", png(1, 1, png_gray, "\x0a"));
  REQUIRE(folder.tenon("run m.tenon negative --input image=@gray.png --output y=@out.PNG").status == 0);
  CHECK(read(folder, "out.PNG") == Array::of<uint8_t>({1, 1, 3}, {245, 245, 245}));
  // Floats of 0 to 1 come out as the bytes that went in.
  std::string pixels;
  for (int i = 0; i < 24; ++i) pixels += static_cast<char>(i * 11);
  folder.write("g.png", png(6, 4, png_gray, pixels));
  REQUIRE(folder.tenon("run m.tenon bright --input image=@g.png --output y=@h.png").status == 0);
  CHECK(read(folder, "h.png") == read(folder, "g.png"));
  // By other names for nothing left behind.
  for (const auto& entry : fs::directory_iterator(folder.path()))
    CHECK_FALSE(contains(entry.path().filename().string(), ".tmp"));
  if (missing(runtime::PictureForm::jpeg)) return;
  REQUIRE(folder.tenon("run m.tenon negative --input image=@in.png --output y=@out.jpg").status == 0);
  CHECK(folder.read("out.jpg").starts_with("\xff\xd8"));
  folder.write("flat.jpg", jpeg(1, 1, {100}));
  REQUIRE(folder.tenon("run m.tenon negative --input image=@flat.jpg --output y=@out.png").status == 0);
  const Array out = read(folder, "out.png");
  CHECK(out.shape() == std::vector<int64_t>{8, 8, 3});
  CHECK(out.as<uint8_t>()[100] == 155);
}

TEST_CASE("a batch becomes a sheet of samples in columns") {
  if (missing()) return;
  const Folder folder;
  folder.write("m.tenon", model);
  const std::string run =
      "run m.tenon tiles --input 'x=[[[[1],[2]],[[3],[4]]], [[[5],[6]],[[7],[8]]], "
      "[[[9],[10]],[[11],[12]]]]' --output y=@y.png";
  REQUIRE(folder.tenon(run + " --columns 3").status == 0);
  CHECK(read(folder, "y.png") == Array::of<uint8_t>({2, 10, 1}, {1, 2, 255, 255, 5, 6, 255, 255, 9,  10,  //
                                                                 3, 4, 255, 255, 7, 8, 255, 255, 11, 12}));
  REQUIRE(folder.tenon(run).status == 0);
  CHECK(read(folder, "y.png").shape() == std::vector<int64_t>{6, 6, 1});
  REQUIRE(folder.tenon(run + " --columns 1").status == 0);
  CHECK(read(folder, "y.png").shape() == std::vector<int64_t>{10, 2, 1});
}

TEST_CASE("pictures that are none, do not fit or cannot be written are told by name") {
  if (missing()) return;
  const Folder folder;
  folder.write("m.tenon", model);
  folder.write("in.png", png(2, 1, png_rgb, "\1\2\3\4\5\6"));
  folder.write("cut.png", folder.read("in.png").substr(0, 50));
  folder.write("text.png", "no picture");
  folder.write("huge.png", png_header(0x7fffffff, 0x7fffffff, 8, png_rgb) + std::string(100, 'x'));
  folder.write("clear.png", png(1, 1, png_rgb_alpha, std::string("\1\2\3\0", 4)));
  const std::string run = "run m.tenon negative --input image=@";
  refused(folder, run + "absent.png", "T401", 4, {"absent.png", "No such file"});
  refused(folder, run + "cut.png", "T302", 3, {"cut.png"});
  refused(folder, run + "text.png", "T302", 3, {"text.png", "neither a PNG nor a JPEG"});
  refused(folder, run + "huge.png", "T305", 3, {"huge.png", "2147483647 x 2147483647"});
  refused(folder, run + "clear.png", "T305", 3, {"clear.png", "transparent"});
  refused(folder, "run m.tenon bright --input image=@in.png", "T305", 3,
          {"in.png", "2 x 1 (width x height)", "6 x 4"});
  refused(folder, "run m.tenon odd --input x=0.5 --output y=@y.png", "T304", 3,
          {"y as a picture", "is 1.5", "clamp y"});
  refused(folder, "run m.tenon odd --input x=0 --output z=@z.png", "T305", 3,
          {"z as a picture", "f32[2,2,4,5]"});
  refused(folder, "run m.tenon odd --input x=0 --output n=@n.png", "T305", 3, {"n as a picture", "i32[4,5]"});
  refused(folder, "run m.tenon odd --input x=0 --columns 3", "T610", 2, {"--columns does nothing"});
  refused(folder, "run m.tenon odd --input x=0 --output y=@y.npy --columns 3", "T610", 2, {"--columns"});
  refused(folder, run + "in.png --output y=@y.png --columns 0", "T610", 2, {"1 or more"});
  CHECK_FALSE(folder.has("y.png"));
  CHECK_FALSE(folder.has("z.png"));
  // As other outputs: no folder, a full disk, an old file that stays whole.
  refused(folder, run + "in.png --output y=@absent/y.png", "T404", 4,
          {"absent/y.png", "make the folder first"});
  REQUIRE(folder.shell("ln -s /dev/full full.png").status == 0);
  refused(folder, run + "in.png --output y=@full.png", "T404", 4, {"full.png", "No space left"});
  if (std::string(TENON_SANITIZE) != "thread") {
    folder.write("old.png", "old\n");
    const Ran limited = folder.shell("(ulimit -f 0; tenon " + run +
                                     "in.png --output y=@old.png; echo $? > /dev/stderr) 2>&1 | cat");
    INFO(limited.out);
    CHECK(contains(limited.out, "error[T404]"));
    CHECK(limited.out.ends_with("4\n"));
    CHECK(folder.read("old.png") == "old\n");
  }
}

TEST_CASE("what a build lacks is said by name") {
  const Folder folder;
  folder.write("m.tenon", model);
  const Json doctor = object(folder.tenon("doctor --json"));
  CHECK(doctor["png"] == pictures::codec().has(runtime::PictureForm::png));
  CHECK(doctor["jpeg"] == pictures::codec().has(runtime::PictureForm::jpeg));
  folder.write("in.png", png(1, 1, png_rgb, "abc"));
  folder.write("in.jpg", jpeg(1, 1, {1}));
  const std::pair<runtime::PictureForm, std::pair<const char*, const char*>> forms[] = {
      {runtime::PictureForm::png, {"png", "libpng-dev"}},
      {runtime::PictureForm::jpeg, {"jpg", "libjpeg62-turbo-dev"}}};
  for (const auto& [form, names] : forms) {
    if (pictures::codec().has(form)) continue;
    const std::string end = names.first;
    refused(folder, "run m.tenon negative --input image=@in." + end, "T505", 2, {names.second});
    refused(folder, "run m.tenon odd --input x=0 --output y=@y." + end, "T505", 2, {names.second});
    fs::create_directory(folder.path(end));
    folder.write(end + "/a." + end, folder.read("in." + end));
    refused(folder, "run m.tenon negative --data " + end, "T505", 2, {names.second});
  }
}

TEST_CASE("a folder for each class is trained on; weights keep the classes, and eval names them") {
  if (missing()) return;
  const Folder folder;
  folder.write("m.tenon", classifier_of(2));
  for (int i = 0; i < 12; ++i) {
    put(folder, "data/train/above/" + std::to_string(i) + ".png", half(true, i));
    put(folder, "data/train/below/" + std::to_string(i) + ".png", half(false, i));
  }
  put(folder, "data/test/below/1.png", half(false, 77));
  put(folder, "data/test/above/2.png", half(true, 78));
  const Ran ran =
      folder.tenon("train m.tenon --data data --epochs 20 --batch 8 --quiet --json -o w.safetensors");
  const Json trained = object(ran);
  REQUIRE(ran.status == 0);
  CHECK(trained["rows"] == 24);
  CHECK(trained["test_rows"] == 2);
  CHECK(trained["epochs"].back()["test accuracy"] == 1.0);
  const Json eval = object(folder.tenon("eval m.tenon --params w.safetensors --data data --json"));
  CHECK(eval["of"] == "test");
  CHECK(eval["classes"] == Json::array({"above", "below"}));
  CHECK(eval["confusion"] == Json::array({{1, 0}, {0, 1}}));
  // One class by itself keeps the number that it was trained with.
  put(folder, "one/below/3.png", half(false, 5));
  const Json one = object(folder.tenon("eval m.tenon --params w.safetensors --data one --json"));
  CHECK(one["accuracy"] == 1.0);
  CHECK(one["confusion"] == Json::array({{0, 0}, {0, 1}}));
  put(folder, "other/beside/4.png", half(false, 5));
  refused(folder, "eval m.tenon --params w.safetensors --data other", "T304", 3,
          {"other/beside", "above, below"});
  // All rows of a flat folder in one call.
  put(folder, "flat/a.png", half(true, 1));
  put(folder, "flat/b.png", half(false, 1));
  const Ran rows = folder.tenon("run m.tenon predict --params w.safetensors --data flat");
  CHECK(rows.status == 0);
  CHECK(rows.out.starts_with("z : f32[2,2] = "));
  // Pictures that the model does not take.
  put(folder, "large/a/1.png", png(5, 4, png_gray, std::string(20, 'x')));
  refused(folder, "train m.tenon --data large --quiet", "T305", 3,
          {"large/a/1.png", "5 x 4 (width x height), the model wants 4 x 4"});
  put(folder, "data/train/above/odd.png", png(3, 4, png_gray, std::string(12, 'x')));
  refused(folder, "train m.tenon --data data --quiet", "T305", 3, {"odd.png", "3 x 4", "is 4 x 4"});
}

TEST_CASE("data in blocks train to the bits of data in memory, whatever they are read from") {
  const Folder folder;
  std::string two;
  for (size_t row = 0; row < 40; ++row)
    two += cifar_record(row, std::string(1, static_cast<char>(row * 7 % 10)));
  put(folder, "cifar/data_batch_1.bin", two);
  put(folder, "cifar/test_batch.bin", two.substr(0, 3073 * 9));
  fs::create_directory(folder.path("packed"));
  REQUIRE(folder.shell("gzip -c cifar/data_batch_1.bin > packed/data_batch_1.bin.gz").status == 0);
  put(folder, "idx/train-images-idx3-ubyte",
      std::string("\0\0\x08\3", 4) + big32(40) + big32(48) + big32(64) + two.substr(0, 40 * 3072));
  put(folder, "idx/train-labels-idx1-ubyte",
      std::string("\0\0\x08\1", 4) + big32(40) + std::string(40, '\3'));
  fs::create_directory(folder.path("npy"));
  Array images(DType::f32, {40, 3072}), labels(DType::i64, {40});
  for (size_t i = 0; i < images.as<float>().size(); ++i)
    images.as<float>()[i] = static_cast<float>(i * 7919 % 256);
  for (size_t i = 0; i < 40; ++i) labels.as<int64_t>()[i] = static_cast<int64_t>(i % 10);
  REQUIRE(runtime::write_npy(folder.path("npy/image.npy"), images));
  REQUIRE(runtime::write_npy(folder.path("npy/label.npy"), labels));
  if (pictures::codec().has(runtime::PictureForm::png))
    for (size_t row = 0; row < 40; ++row)
      put(folder, "pictures/" + std::to_string(row % 3) + "/" + std::to_string(row) + ".png",
          png(32, 32, png_rgb, two.substr(row * 3073 + 1, 3072)));
  folder.write("m.tenon", R"(tenon 1
module m
dim batch = 1..64
param w : f32[3072,10] = glorot_uniform
param b : f32[10] = zeros
func predict(image: f32[batch,3072]) -> z: f32[batch,10] {
  x = mul image, 0.004
  d = dropout x {rate = 0.2}
  z = dense d, w, b
  return z
}
func loss(image: f32[batch,3072], label: i32[batch]) -> loss: f32[] {
  z = call predict(image)
  l = cross_entropy z, label
  return l
}
derive train = step loss {with = adam {lr = 0.001}}
)");
  for (const std::string data : {"cifar", "packed", "idx", "npy", "pictures"}) {
    if (!folder.has(data)) continue;
    for (const std::string order :
         {"", "--in-order", "--no-epochs", "--validate 0.25", "--fold 2/3", "--label-offset 0"}) {
      INFO(data << " " << order);
      const std::string train =
          "train m.tenon --epochs 3 --batch 7 --seed 3 --quiet --json --data " + data + " " + order + " -o ";
      const Json whole = object(folder.tenon(train + "a.safetensors"));
      REQUIRE(whole["ok"] == true);
      CHECK(whole["in_memory"] == true);
      const Json blocks = object(folder.tenon(train + "b.safetensors --memory 100K"));
      REQUIRE(blocks["ok"] == true);
      CHECK(blocks["in_memory"] == false);
      CHECK(blocks["state_hash"] == whole["state_hash"]);
      CHECK(blocks["rows"] == whole["rows"]);
      CHECK((folder.read("b.safetensors") == folder.read("a.safetensors")));
    }
    const std::string eval = "eval m.tenon --params a.safetensors --json --data " + data;
    const Json whole = object(folder.tenon(eval)), blocks = object(folder.tenon(eval + " --memory 50K"));
    CHECK(blocks == whole);
  }
  // Folds, and the rows that weights say were held out.
  const std::string folds = "train m.tenon --quiet --json --data cifar --epochs 2 --batch 7 --folds 3";
  CHECK(object(folder.tenon(folds + " --memory 30K")) == object(folder.tenon(folds)));
  REQUIRE(folder.tenon("train m.tenon --quiet --data packed --validate 0.25 --memory 30K -o h.safetensors")
              .status == 0);
  const std::string held = "eval m.tenon --params h.safetensors --json --held-out --data packed";
  const Json left_out = object(folder.tenon(held));
  CHECK(left_out["rows"] == 10);
  CHECK(object(folder.tenon(held + " --memory 30K")) == left_out);
  // The five kinds did not all train to one state.
  CHECK(object(folder.tenon("train m.tenon --quiet --json --data cifar"))["state_hash"] !=
        object(folder.tenon("train m.tenon --quiet --json --data npy"))["state_hash"]);
  // What fits is read whole; what is made or read whole anyway, and what is no number, is refused.
  CHECK(object(folder.tenon("train m.tenon --quiet --json --data cifar --memory 1G"))["in_memory"] == true);
  folder.write("t.csv", "a,b\n1,2\n");
  refused(folder, "train m.tenon --quiet --data t.csv --memory 1M", "T610", 2, {"t.csv", "read whole"});
  refused(folder, "train m.tenon --quiet --data digits --memory 1M", "T610", 2, {"digits", "whole"});
  for (const char* bad : {"0", "1X", "M", "-5", "99999999999G", "1.5G"})
    refused(folder, std::string("train m.tenon --quiet --data cifar --memory ") + bad, "T610", 2,
            {"no number of bytes"});
  // A label that is moved out of its range is named by its row and file, from blocks as well.
  for (const char* memory : {"", " --memory 20K"})
    refused(folder, std::string("train m.tenon --quiet --in-order --data cifar --label-offset 3") + memory,
            "T311", 3, {"row 1 of label", "cifar/data_batch_1.bin", "classes 0..9"});
}

TEST_CASE("the layouts of CIFAR's pictures are those that the model declares") {
  const Folder folder;
  put(folder, "data_batch_1.bin",
      cifar_record(0, std::string(1, '\3')) + cifar_record(1, std::string(1, '\4')));
  const auto run = [&](const std::string& type, const std::string& pick) {
    folder.write("m.tenon", "tenon 1\nmodule m\ndim batch = 1..64\nfunc f(image: " + type +
                                ") -> y: u8[batch] {\n  s = slice image {" + pick +
                                "}\n  y = reshape s {shape = [batch]}\n  return y\n}\n");
    return folder.tenon("run m.tenon f --data data_batch_1.bin");
  };
  // Pixel (5, 9), green.
  const std::string want = "y : u8[2] = [" + std::to_string(cifar_pixel(0, 5, 9, 1)) + ", " +
                           std::to_string(cifar_pixel(1, 5, 9, 1)) + "]\n";
  Ran ran = run("u8[batch,32,32,3]", "start = [0, 5, 9, 1], limit = [batch, 6, 10, 2]");
  INFO(ran.err);
  CHECK(ran.out == want);
  ran = run("u8[batch,3,32,32]", "start = [0, 1, 5, 9], limit = [batch, 2, 6, 10]");
  INFO(ran.err);
  CHECK(ran.out == want);
  ran = run("u8[batch,3072]", "start = [0, 508], limit = [batch, 509]");  // (5 * 32 + 9) * 3 + 1
  INFO(ran.err);
  CHECK(ran.out == want);
  ran = run("u8[batch,32,3,32]", "start = [0, 1, 1, 1], limit = [batch, 2, 2, 2]");
  CHECK(ran.status == 3);
  CHECK(contains(ran.err, "image holds u8[rows,32,32,3]"));
}

}  // namespace tenon::test
