// TableForm: how the columns of a table became a model's inputs. It is settled by the rows that are trained
// on and kept with the weights, so that other rows are read the same way: the same columns in the same order,
// the same numbers for the same texts, the same scale.
//
// A form that is not fitted describes `x` as the csv reader made it: one column for each feature, texts as
// class numbers. Shaping turns classes marked so into 0 and 1 columns, one for each class, and scales numbers
// to mean 0 and deviation 1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::runtime {

class DataSet;

struct TableForm {
  struct Feature {
    std::string name;                  // in the header, or its number from 1
    std::vector<std::string> classes;  // of texts; empty: numbers
    bool onehot = false;
    double mean = 0, deviation = 1;  // of numbers that are scaled
  };
  std::vector<Feature> features;
  std::string target;                       // empty: none
  std::vector<std::string> target_classes;  // empty: numbers
  bool standardize = false;
  std::string said;  // the keys of the data description that chose all this: "target=y,standardize=yes"

  // Whether shaping changes anything.
  bool shapes() const;
  // Lines of csv, which parse() reads back. T403 for other text.
  std::string text() const;
  static support::Result<TableForm> parse(std::string_view text);
  bool operator==(const TableForm&) const = default;
};
inline bool operator==(const TableForm::Feature& a, const TableForm::Feature& b) {
  return a.name == b.name && a.classes == b.classes && a.onehot == b.onehot && a.mean == b.mean &&
         a.deviation == b.deviation;
}

// The form with means and deviations of these rows, where it scales. NaN is left out; a column of one value
// is moved to 0 and not scaled.
TableForm fit_form(const TableForm& form, const DataSet& rows);
// `x` shaped. T305 where the set has no `x` of the form's width.
support::Result<DataSet> shape_rows(const TableForm& form, const DataSet& rows);

}  // namespace tenon::runtime
