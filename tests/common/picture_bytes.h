// Bytes of small picture files and of CIFAR's records, written here by their specifications, so that what
// reads them is not judged by itself.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::test {

inline std::string big32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}

// --- PNG
// -----------------------------------------------------------------------------------------------------------

enum PngColour { png_gray = 0, png_rgb = 2, png_palette = 3, png_gray_alpha = 4, png_rgb_alpha = 6 };

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  return big32(static_cast<uint32_t>(data.size())) + body + big32(crc);
}

inline std::string png_header(uint32_t width, uint32_t height, int depth, int colour, int interlace = 0) {
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", big32(width) + big32(height) + static_cast<char>(depth) +
                                                     static_cast<char>(colour) + std::string(2, '\0') +
                                                     static_cast<char>(interlace));
}

// Rows of packed samples, each behind its filter byte; `before`: chunks in front of the pixels.
inline std::string png_of_rows(const std::string& header, const std::string& filtered,
                               const std::string& before = "") {
  std::string packed(compressBound(static_cast<uLong>(filtered.size())), '\0');
  uLongf size = static_cast<uLongf>(packed.size());
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(filtered.data()),
           static_cast<uLong>(filtered.size()));
  packed.resize(size);
  return header + before + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

// Samples as they lie in memory, row by row, without filters.
inline std::string png(uint32_t width, uint32_t height, int colour, const std::string& samples, int depth = 8,
                       const std::string& before = "") {
  const size_t row = samples.size() / height;
  std::string filtered;
  for (uint32_t y = 0; y < height; ++y) filtered += '\0' + samples.substr(y * row, row);
  return png_of_rows(png_header(width, height, depth, colour), filtered, before);
}

// --- JPEG
// ----------------------------------------------------------------------------------------------------------

inline std::string jpeg_segment(int marker, const std::string& data) {
  const size_t length = data.size() + 2;
  return std::string{'\xff', static_cast<char>(marker), static_cast<char>(length >> 8),
                     static_cast<char>(length)} +
         data;
}
inline std::string jpeg_frame(uint32_t width, uint32_t height, int components = 1, int marker = 0xc0) {
  std::string data{8,
                   static_cast<char>(height >> 8),
                   static_cast<char>(height),
                   static_cast<char>(width >> 8),
                   static_cast<char>(width),
                   static_cast<char>(components)};
  for (int c = 1; c <= components; ++c) data += std::string{static_cast<char>(c), 0x11, 0};
  return jpeg_segment(marker, data);
}

// A baseline gray picture of 8 x 8 blocks, each of one value: quantizers of 1, the constant term alone, which
// is 8 times the value less 128. Codes: the categories of constant terms in 4 bits each, the end of a block
// in one.
inline std::string jpeg(uint32_t blocks_across, uint32_t blocks_down, const std::vector<int>& values,
                        const std::string& before = "") {
  std::string bits;
  int previous = 0;
  for (const int value : values) {
    const int term = 8 * (value - 128), difference = term - previous;
    previous = term;
    int category = 0;
    for (int left = difference < 0 ? -difference : difference; left != 0; left >>= 1) ++category;
    for (int b = 3; b >= 0; --b) bits += (category >> b & 1) != 0 ? '1' : '0';
    const int coded = difference < 0 ? difference + (1 << category) - 1 : difference;
    for (int b = category - 1; b >= 0; --b) bits += (coded >> b & 1) != 0 ? '1' : '0';
    bits += '0';
  }
  bits.append((8 - bits.size() % 8) % 8, '1');
  std::string scan;
  for (size_t at = 0; at < bits.size(); at += 8) {
    scan += static_cast<char>(std::stoi(bits.substr(at, 8), nullptr, 2));
    if (scan.back() == '\xff') scan += '\0';
  }
  std::string constant_codes(17, '\0'), other_codes(17, '\0');
  constant_codes[4] = 12;
  for (char c = 0; c < 12; ++c) constant_codes += c;
  other_codes[0] = 0x10;
  other_codes[1] = 1;
  other_codes += '\0';
  return "\xff\xd8" + before + jpeg_segment(0xdb, std::string(1, '\0') + std::string(64, '\1')) +
         jpeg_frame(8 * blocks_across, 8 * blocks_down) + jpeg_segment(0xc4, constant_codes) +
         jpeg_segment(0xc4, other_codes) + jpeg_segment(0xda, std::string("\1\1\0\0\x3f\0", 6)) + scan +
         "\xff\xd9";
}

// --- CIFAR
// ---------------------------------------------------------------------------------------------------------

// Pixel (y, x) of channel c of row `row` is one that tells them apart.
inline uint8_t cifar_pixel(size_t row, size_t y, size_t x, size_t c) {
  return static_cast<uint8_t>(row * 31 + y * 7 + x * 3 + c * 101);
}
inline std::string cifar_record(size_t row, const std::string& labels) {
  std::string out = labels;
  for (size_t c = 0; c < 3; ++c)
    for (size_t y = 0; y < 32; ++y)
      for (size_t x = 0; x < 32; ++x) out += static_cast<char>(cifar_pixel(row, y, x, c));
  return out;
}

}  // namespace tenon::test
