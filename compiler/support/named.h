// Things with a name, in the order of their declaration, found by name without a walk over all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tenon {

/// A list of `T` (which has a `name`) with an index of the names beside it. find() takes expected O(1) where
/// the name is there; a name that is not, or that was changed in place since it was added, costs one walk.
/// The index is written by the calls that change the list only: any number of threads may call find() at
/// once.
template <class T>
class Named {
 public:
  Named() = default;
  Named(std::vector<T> items) : items_(std::move(items)) { index(); }  // NOLINT: a list is given for a list

  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  /// Where an item of this list stands.
  size_t position(const T& item) const { return static_cast<size_t>(&item - items_.data()); }

  void push_back(T item) {
    items_.push_back(std::move(item));
    index();
  }
  /// The new item has no name yet; it is indexed with the next one.
  T& emplace_back() {
    index();
    return items_.emplace_back();
  }
  template <class Unwanted>
  void erase_if(Unwanted unwanted) {
    std::erase_if(items_, unwanted);
    positions_.clear();
    indexed_ = 0;
    index();
  }

  /// The first item of that name; null where none has it.
  const T* find(std::string_view name) const {
    const auto known = positions_.find(std::hash<std::string_view>{}(name));
    if (known != positions_.end() && items_[known->second].name == name) return &items_[known->second];
    for (const T& item : items_)
      if (item.name == name) return &item;
    return nullptr;
  }
  T* find(std::string_view name) { return const_cast<T*>(std::as_const(*this).find(name)); }

 private:
  void index() {
    for (; indexed_ < items_.size(); ++indexed_)
      positions_.try_emplace(std::hash<std::string_view>{}(items_[indexed_].name), indexed_);
  }

  std::vector<T> items_;
  std::unordered_map<size_t, size_t> positions_;  // of a name's hash: where it was first met
  size_t indexed_ = 0;                            // how many items the index knows
};

}  // namespace tenon
