#include "runtime/picture_folder.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Ok;
using support::Result;
using support::Status;
namespace fs = std::filesystem;

namespace {

bool foreign_picture(std::string_view name) {
  static constexpr std::string_view ends[] = {".gif",  ".bmp", ".webp", ".tif", ".tiff", ".avif",
                                              ".heic", ".jp2", ".ppm",  ".pgm", ".pnm",  ".svg"};
  std::string small(name);
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::any_of(std::begin(ends), std::end(ends),
                     [&](std::string_view end) { return small.ends_with(end); });
}

// What lies in a folder, by name.
struct Listing {
  std::vector<std::string> pictures, folders;
  std::string foreign;  // a picture of a form that is not read
};

Result<Listing> list(const std::string& folder) {
  Listing out;
  std::error_code code;
  fs::directory_iterator entries(folder, code);
  for (; !code && entries != fs::directory_iterator(); entries.increment(code)) {
    const std::string name = entries->path().filename().string(), path = entries->path().string();
    if (name.starts_with('.')) continue;
    std::error_code unknown;
    if (fs::is_directory(path, unknown)) {
      out.folders.push_back(path);
    } else if (picture_form(name)) {
      out.pictures.push_back(path);
    } else if (foreign_picture(name) && (out.foreign.empty() || path < out.foreign)) {
      out.foreign = path;
    }
  }
  if (code) return at_file(Code::file_missing, folder, "cannot list the folder: " + code.message());
  std::sort(out.pictures.begin(), out.pictures.end());
  std::sort(out.folders.begin(), out.folders.end());
  return out;
}

std::string last_of(const std::string& path) { return fs::path(path).filename().string(); }

struct Row {
  std::string path;
  int32_t label = 0;
};

class PictureRows : public Source {
 public:
  // Reads all headers: sizes must agree.
  static Result<std::shared_ptr<const Source>> open(std::string folder, std::vector<Row> rows,
                                                    std::vector<std::string> classes, bool labelled,
                                                    const PictureCodec* codec) {
    auto out = std::make_shared<PictureRows>();
    out->size_.channels = 1;
    for (const Row& row : rows) {
      TENON_ASSIGN(const InputFile file, InputFile::open(row.path));
      TENON_ASSIGN(const PictureHeader header, read_picture_header(file));
      TENON_TRY(check_codec(codec, header.form, row.path));
      const Row& first = rows.front();
      if (&row == &first) {
        out->size_.height = header.height;
        out->size_.width = header.width;
      }
      TENON_TRY(out->check_size(header, row.path, first.path));
      out->size_.channels = std::max(out->size_.channels, header.channels);
    }
    out->folder_ = std::move(folder);
    out->rows_ = std::move(rows);
    out->classes_ = std::move(classes);
    out->labelled_ = labelled;
    out->codec_ = codec;
    return std::shared_ptr<const Source>(std::move(out));
  }

  int64_t rows() const override { return static_cast<int64_t>(rows_.size()); }

  Result<DataSet> read(std::span<const int64_t> rows) const override {
    const auto count = static_cast<int64_t>(rows.size());
    const std::vector<int64_t> shape = {count, size_.height, size_.width, size_.channels};
    if (!support::checked_bytes(DType::u8, shape, nullptr, nullptr))
      return at_file(Code::data_shape, folder_, "the pictures take more bytes than there are numbers for");
    Array image(DType::u8, shape), label(DType::i32, {count});
    const size_t bytes = rows.empty() ? 0 : image.bytes() / rows.size();
    std::vector<std::string> files;
    files.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] < 0 || rows[i] >= this->rows())
        return support::error(Code::index_range, "row " + std::to_string(rows[i]) + " of " +
                                                     std::to_string(rows_.size()) + " pictures");
      const Row& row = rows_[static_cast<size_t>(rows[i])];
      TENON_ASSIGN(const Array picture, read_picture(row.path, codec_));
      // It may have been replaced since it was listed.
      const PictureHeader found{{}, picture.shape()[0], picture.shape()[1], picture.shape()[2]};
      TENON_TRY(check_size(found, row.path, rows_.front().path));
      const Array pixels = with_channels(picture, size_.channels);
      std::memcpy(image.data() + i * bytes, pixels.data(), bytes);
      label.as<int32_t>()[i] = row.label;
      files.push_back(row.path);
    }
    DataSet out;
    Column pictures{"image", std::make_shared<const Array>(std::move(image)), folder_, {}};
    pictures.picture = true;
    TENON_TRY(out.add(std::move(pictures)));
    if (labelled_)
      TENON_TRY(out.add(Column{"label", std::make_shared<const Array>(std::move(label)), folder_, classes_}));
    out.set_files(std::move(files));
    return out;
  }

 private:
  Status check_size(const PictureHeader& found, const std::string& path, const std::string& first) const {
    if (found.height == size_.height && found.width == size_.width) return Ok{};
    return at_file(
        Code::data_shape, path,
        "the picture is " + size_text(found) + " (width x height), " + first + " is " + size_text(size_),
        "pictures of one data set have one size: scale them, or move the others away");
  }

  std::string folder_;
  std::vector<Row> rows_;
  std::vector<std::string> classes_;
  bool labelled_ = false;
  PictureHeader size_;
  const PictureCodec* codec_ = nullptr;
};

Status refuse_foreign(const Listing& listing) {
  if (listing.foreign.empty()) return Ok{};
  return at_file(Code::data_format, listing.foreign, "pictures of this form are not read",
                 "convert it to PNG or JPEG, or move it away");
}

// One of the settled classes, or a new one where they are not settled.
Result<int32_t> label_of(const std::string& folder, bool settled, std::vector<std::string>* classes) {
  const std::string name = last_of(folder);
  const auto found = std::find(classes->begin(), classes->end(), name);
  const auto label = static_cast<int32_t>(found - classes->begin());
  if (found != classes->end()) return label;
  if (settled)
    return at_file(Code::data_value, folder, support::quote(name) + " is none of the classes",
                   "known are " + support::join(*classes, ", "));
  classes->push_back(name);
  return label;
}

// A flat folder, or one with a folder for each class.
Result<std::shared_ptr<const Source>> open_rows(const std::string& folder, const PictureCodec* codec,
                                                std::vector<std::string>* classes) {
  TENON_ASSIGN(const Listing listing, list(folder));
  TENON_TRY(refuse_foreign(listing));
  std::vector<Row> rows;
  if (!listing.pictures.empty()) {
    if (!listing.folders.empty())
      return at_file(
          Code::data_format, listing.pictures.front(),
          "a picture beside folders: it has no class, or " + last_of(listing.folders.front()) + " is none",
          "either a folder for each class, or pictures and no folders");
    for (const std::string& path : listing.pictures) rows.push_back({path, 0});
    return PictureRows::open(folder, std::move(rows), {}, false, codec);
  }
  const bool settled = !classes->empty();
  for (const std::string& sub : listing.folders) {
    TENON_ASSIGN(const Listing inside, list(sub));
    TENON_TRY(refuse_foreign(inside));
    if (inside.pictures.empty())
      return at_file(Code::data_missing, sub, "the folder holds no pictures",
                     "each folder beside it is a class: fill it, or take it away");
    TENON_ASSIGN(const int32_t label, label_of(sub, settled, classes));
    for (const std::string& path : inside.pictures) rows.push_back({path, label});
  }
  if (rows.empty()) return at_file(Code::data_missing, folder, "the folder holds no pictures");
  return PictureRows::open(folder, std::move(rows), *classes, true, codec);
}

// The sub-folders `train` and, if there is one, `test`, where no others are; empty: it is not divided.
struct Division {
  std::string train, test;
};
Division division_of(const Listing& listing) {
  Division out;
  if (!listing.pictures.empty()) return out;
  for (const std::string& sub : listing.folders) {
    const std::string name = last_of(sub);
    if (name != "train" && name != "test") return {};
    (name == "train" ? out.train : out.test) = sub;
  }
  return out.train.empty() ? Division() : out;
}

bool holds_pictures(const std::string& folder, int depth) {
  const Result<Listing> listing = list(folder);
  if (!listing) return false;
  if (!listing->pictures.empty()) return true;
  return depth > 0 && std::any_of(listing->folders.begin(), listing->folders.end(),
                                  [&](const std::string& sub) { return holds_pictures(sub, depth - 1); });
}

}  // namespace

bool is_picture_folder(const std::string& folder) {
  const Result<Listing> listing = list(folder);
  return listing && holds_pictures(folder, division_of(*listing).train.empty() ? 1 : 2);
}

Result<Sources> open_picture_folder(const std::string& folder, const PictureCodec* codec,
                                    const std::vector<std::string>& classes) {
  TENON_ASSIGN(const Listing listing, list(folder));
  const Division division = division_of(listing);
  std::vector<std::string> known = classes;
  Sources out;
  if (division.train.empty()) {
    TENON_ASSIGN(out.train, open_rows(folder, codec, &known));
    return out;
  }
  TENON_ASSIGN(out.train, open_rows(division.train, codec, &known));
  if (!division.test.empty()) {
    TENON_ASSIGN(out.test, open_rows(division.test, codec, &known));
  }
  return out;
}

}  // namespace tenon::runtime
