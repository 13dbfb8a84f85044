#include "object/elf_merge.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

namespace tenon::object {

namespace {

struct Section {
  std::string name;
  uint32_t type = 0;
  uint64_t flags = 0, align = 1, size = 0;
  std::vector<std::byte> bytes;  // empty for SHT_NOBITS
  std::vector<Elf64_Rela> relocations;
  uint32_t symbol = 0;  // index of its section symbol in the result
};

// Where a section of an input went: a 1-based merged section (0: nowhere) and an offset in it.
struct Part {
  uint32_t section = 0;
  uint64_t base = 0;
};

struct Symbol {
  std::string name;
  Elf64_Sym sym{};
  uint32_t section = 0;  // 1-based index into the merged sections; 0: undefined or absolute
};

Errors refused(const std::string& what) {
  return error(Code::backend, "the back end's object cannot be merged: " + what);
}

// One input, its tables checked against its size.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool open() {
    if (!at(0, &header_)) return false;
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_type != ET_REL ||
        header_.e_machine != EM_X86_64)
      return false;
    sections_.resize(header_.e_shnum);
    for (size_t i = 0; i < sections_.size(); ++i)
      if (!at(header_.e_shoff + i * sizeof(Elf64_Shdr), &sections_[i])) return false;
    return header_.e_shstrndx < sections_.size();
  }
  template <class T>
  bool at(uint64_t offset, T* out) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return false;
    std::memcpy(out, bytes_.data() + offset, sizeof(T));
    return true;
  }
  std::string string(uint32_t table, uint32_t offset) const {
    const std::span<const std::byte> s = content(sections_[table]);
    if (offset >= s.size()) return {};
    const char* begin = reinterpret_cast<const char*>(s.data()) + offset;
    return std::string(begin, strnlen(begin, s.size() - offset));
  }
  std::span<const std::byte> content(const Elf64_Shdr& s) const {
    if (s.sh_type == SHT_NOBITS || s.sh_offset > bytes_.size() || bytes_.size() - s.sh_offset < s.sh_size)
      return {};
    return bytes_.subspan(s.sh_offset, s.sh_size);
  }
  const std::vector<Elf64_Shdr>& sections() const { return sections_; }
  std::string name(const Elf64_Shdr& s) const { return string(header_.e_shstrndx, s.sh_name); }

 private:
  std::span<const std::byte> bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
};

class StringTable {
 public:
  uint32_t add(const std::string& s) {
    if (s.empty()) return 0;
    const auto [it, fresh] = offsets_.emplace(s, static_cast<uint32_t>(text_.size()));
    if (fresh) text_.append(s.c_str(), s.size() + 1);
    return it->second;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_ = std::string(1, '\0');
  std::map<std::string, uint32_t> offsets_;
};

// A relocatable file: sections one after the other, then the table of them.
class Writer {
 public:
  Writer() { out_.resize(sizeof(Elf64_Ehdr)); }

  // The next section; its header holds until the one after it.
  Elf64_Shdr& put(const std::string& name, uint32_t type, uint64_t flags, uint64_t align, const void* data,
                  size_t bytes) {
    out_.resize((out_.size() + align - 1) / align * align);
    Elf64_Shdr h{};
    h.sh_name = names_.add(name);
    h.sh_type = type;
    h.sh_flags = flags;
    h.sh_offset = out_.size();
    h.sh_size = bytes;
    h.sh_addralign = align;
    if (type != SHT_NOBITS && bytes != 0) {
      out_.resize(out_.size() + bytes);
      std::memcpy(out_.data() + h.sh_offset, data, bytes);
    }
    headers_.push_back(h);
    return headers_.back();
  }

  std::vector<std::byte> finish() {
    names_.add(".shstrtab");
    const std::string name_text = names_.text();
    put(".shstrtab", SHT_STRTAB, 0, 1, name_text.data(), name_text.size());
    out_.resize((out_.size() + 7) / 8 * 8);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_REL;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_shoff = out_.size();
    header.e_ehsize = sizeof header;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<uint16_t>(headers_.size());
    header.e_shstrndx = static_cast<uint16_t>(headers_.size() - 1);
    std::memcpy(out_.data(), &header, sizeof header);
    const size_t at = out_.size();
    out_.resize(at + headers_.size() * sizeof(Elf64_Shdr));
    std::memcpy(out_.data() + at, headers_.data(), headers_.size() * sizeof(Elf64_Shdr));
    return std::move(out_);
  }

 private:
  std::vector<std::byte> out_;
  std::vector<Elf64_Shdr> headers_ = std::vector<Elf64_Shdr>(1);
  StringTable names_;
};

class Merger {
 public:
  Status add(std::span<const std::byte> object) {
    Input in(object);
    if (!in.open()) return refused("it is no relocatable ELF object for x86-64");
    const std::vector<Elf64_Shdr>& headers = in.sections();
    std::vector<Part> parts(headers.size());
    uint32_t symtab = 0;
    for (uint32_t i = 1; i < headers.size(); ++i) {
      const Elf64_Shdr& h = headers[i];
      if (h.sh_type == SHT_SYMTAB) symtab = i;
      if (h.sh_type == SHT_GROUP || h.sh_type == SHT_REL)
        return refused("it has section groups or REL relocations");
      if ((h.sh_flags & SHF_ALLOC) == 0) continue;
      if (h.sh_type != SHT_PROGBITS && h.sh_type != SHT_NOBITS && h.sh_type != SHT_X86_64_UNWIND)
        return refused("section " + in.name(h) + " has an unknown type");
      parts[i] = append(in, h);
    }
    if (symtab == 0) return Ok{};

    // Symbols: index in the input -> index in the list of symbols, and an addend for section symbols.
    const std::span<const std::byte> table = in.content(headers[symtab]);
    const size_t count = table.size() / sizeof(Elf64_Sym);
    std::vector<uint32_t> map(count, 0);
    std::vector<int64_t> addends(count, 0);
    for (size_t i = 1; i < count; ++i) {
      Elf64_Sym s;
      std::memcpy(&s, table.data() + i * sizeof s, sizeof s);
      const unsigned type = ELF64_ST_TYPE(s.st_info), bind = ELF64_ST_BIND(s.st_info);
      if (type == STT_FILE) continue;
      if (s.st_shndx >= SHN_LORESERVE) return refused("it has symbols in special sections");
      const Part part = s.st_shndx < parts.size() ? parts[s.st_shndx] : Part{};
      if (type == STT_SECTION) {
        if (part.section == 0) continue;
        map[i] = sections_[part.section - 1].symbol;
        addends[i] = static_cast<int64_t>(part.base);
        continue;
      }
      const std::string name = in.string(headers[symtab].sh_link, s.st_name);
      s.st_value += part.base;
      if (bind == STB_LOCAL) {
        if (part.section == 0) continue;
        map[i] = new_symbol(name, s, part.section);
        continue;
      }
      const auto [it, fresh] = globals_.emplace(name, 0);
      if (fresh)
        it->second = new_symbol(name,
                                Elf64_Sym{.st_name = 0,
                                          .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE),
                                          .st_other = 0,
                                          .st_shndx = 0,
                                          .st_value = 0,
                                          .st_size = 0},
                                0);
      map[i] = it->second;
      if (part.section == 0) continue;
      Symbol& global = symbols_[it->second];
      if (global.section != 0) return refused("symbol " + name + " is defined twice");
      global.sym = s;
      global.section = part.section;
    }

    for (uint32_t i = 1; i < headers.size(); ++i) {
      const Elf64_Shdr& h = headers[i];
      if (h.sh_type != SHT_RELA || h.sh_info >= parts.size() || parts[h.sh_info].section == 0) continue;
      const Part part = parts[h.sh_info];
      const std::span<const std::byte> bytes = in.content(h);
      for (size_t k = 0; k + sizeof(Elf64_Rela) <= bytes.size(); k += sizeof(Elf64_Rela)) {
        Elf64_Rela r;
        std::memcpy(&r, bytes.data() + k, sizeof r);
        const size_t symbol = ELF64_R_SYM(r.r_info);
        if (symbol >= count || map[symbol] == 0) return refused("a relocation names no symbol");
        r.r_offset += part.base;
        r.r_addend += addends[symbol];
        r.r_info = ELF64_R_INFO(uint64_t{map[symbol]}, ELF64_R_TYPE(r.r_info));
        sections_[part.section - 1].relocations.push_back(r);
      }
    }
    return Ok{};
  }

  Merged finish() {
    const SymbolTable table = symbol_table();
    Writer out;
    for (const Section& s : sections_) out.put(s.name, s.type, s.flags, s.align, s.bytes.data(), s.size);
    const uint32_t symtab = static_cast<uint32_t>(sections_.size() + 1);
    Elf64_Shdr& st =
        out.put(".symtab", SHT_SYMTAB, 0, 8, table.symbols.data(), table.symbols.size() * sizeof(Elf64_Sym));
    st.sh_link = symtab + 1;
    st.sh_info = table.first_global;
    st.sh_entsize = sizeof(Elf64_Sym);
    const std::string& strings = table.strings.text();
    out.put(".strtab", SHT_STRTAB, 0, 1, strings.data(), strings.size());
    for (uint32_t i = 0; i < sections_.size(); ++i) {
      Section& s = sections_[i];
      if (s.relocations.empty()) continue;
      for (Elf64_Rela& r : s.relocations)
        r.r_info = ELF64_R_INFO(uint64_t{table.renumbered[ELF64_R_SYM(r.r_info)]}, ELF64_R_TYPE(r.r_info));
      Elf64_Shdr& h = out.put(".rela" + s.name, SHT_RELA, SHF_INFO_LINK, 8, s.relocations.data(),
                              s.relocations.size() * sizeof(Elf64_Rela));
      h.sh_link = symtab;
      h.sh_info = i + 1;
      h.sh_entsize = sizeof(Elf64_Rela);
    }
    out.put(".note.GNU-stack", SHT_PROGBITS, 0, 1, nullptr, 0);
    return {out.finish(), undefined()};
  }

 private:
  // The result's symbols: locals first, as ELF wants.
  struct SymbolTable {
    std::vector<Elf64_Sym> symbols;
    StringTable strings;
    uint32_t first_global = 0;
    std::vector<uint32_t> renumbered;  // by index in the list of symbols
  };
  // What was hidden becomes local once everything is resolved.
  static bool is_local(const Symbol& s) {
    return ELF64_ST_BIND(s.sym.st_info) == STB_LOCAL ||
           (s.section != 0 && ELF64_ST_VISIBILITY(s.sym.st_other) != STV_DEFAULT);
  }
  SymbolTable symbol_table() const {
    SymbolTable table;
    std::vector<uint32_t> order{0};
    for (uint32_t i = 1; i < symbols_.size(); ++i)
      if (is_local(symbols_[i])) order.push_back(i);
    table.first_global = static_cast<uint32_t>(order.size());
    for (uint32_t i = 1; i < symbols_.size(); ++i)
      if (!is_local(symbols_[i])) order.push_back(i);
    table.renumbered.resize(symbols_.size());
    for (uint32_t i = 0; i < order.size(); ++i) table.renumbered[order[i]] = i;
    for (uint32_t i : order) {
      const Symbol& s = symbols_[i];
      Elf64_Sym sym = s.sym;
      if (i != 0 && is_local(s)) {
        sym.st_info = static_cast<unsigned char>(ELF64_ST_INFO(STB_LOCAL, ELF64_ST_TYPE(sym.st_info)));
        sym.st_other = STV_DEFAULT;
      }
      sym.st_name = table.strings.add(s.name);
      sym.st_shndx = static_cast<uint16_t>(s.section);
      table.symbols.push_back(sym);
    }
    return table;
  }
  std::vector<std::string> undefined() const {
    std::vector<std::string> names;
    for (size_t i = 1; i < symbols_.size(); ++i)
      if (symbols_[i].section == 0) names.push_back(symbols_[i].name);
    std::sort(names.begin(), names.end());
    return names;
  }
  // Pieces of mergeable sections are not shared again: their flags are dropped, and addends stay plain.
  Part append(const Input& in, const Elf64_Shdr& h) {
    const uint64_t flags = h.sh_flags & ~uint64_t{SHF_MERGE | SHF_STRINGS};
    const std::string name = in.name(h);
    const auto key = std::make_pair(name, std::make_pair(h.sh_type, flags));
    const auto [it, fresh] = by_key_.emplace(key, static_cast<uint32_t>(sections_.size() + 1));
    if (fresh) {
      Section s;
      s.name = name;
      s.type = h.sh_type;
      s.flags = flags;
      sections_.push_back(std::move(s));
      Elf64_Sym symbol{};
      symbol.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION);
      sections_.back().symbol = new_symbol({}, symbol, it->second);
    }
    Section& s = sections_[it->second - 1];
    const uint64_t align = std::max<uint64_t>(h.sh_addralign, 1);
    s.align = std::max(s.align, align);
    const uint64_t base = (s.size + align - 1) / align * align;
    if (s.type != SHT_NOBITS) {
      // Between functions: int3, as padding that never runs.
      s.bytes.resize(base, (flags & SHF_EXECINSTR) != 0 ? std::byte{0xcc} : std::byte{0});
      const std::span<const std::byte> content = in.content(h);
      s.bytes.insert(s.bytes.end(), content.begin(), content.end());
    }
    s.size = base + h.sh_size;
    return {it->second, base};
  }
  uint32_t new_symbol(std::string name, const Elf64_Sym& sym, uint32_t section) {
    symbols_.push_back({std::move(name), sym, section});
    return static_cast<uint32_t>(symbols_.size() - 1);
  }

  std::vector<Section> sections_;
  std::vector<Symbol> symbols_ = std::vector<Symbol>(1);
  std::map<std::string, uint32_t> globals_;
  std::map<std::pair<std::string, std::pair<uint32_t, uint64_t>>, uint32_t> by_key_;
};

}  // namespace

Result<Merged> merge_elf(std::span<const std::span<const std::byte>> objects) {
  Merger merger;
  for (std::span<const std::byte> object : objects) TENON_TRY(merger.add(object));
  return merger.finish();
}

}  // namespace tenon::object
