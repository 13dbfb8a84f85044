// load_data: what `--data` takes.
//
//   a folder      MNIST's IDX files; else train.csv and, where there is one, test.csv; else *.npy, a column
//   for each a file        .npy (column `x`), .csv .tsv .txt (also .gz: columns `x` and `y`), an IDX file
//   (column `x`) a generator   regression:rows=100,features=1,noise=0.1,seed=7
//                 classification:rows=200,features=2,classes=2,separation=4,seed=7
//                 digits:rows=5000,seed=1,test=1000
//   csv: csv:path=train.csv,test=test.csv,target=price,columns=a+b,without=id,labels=classes,text=skip,
//                 missing=drop,header=no,separator=;,standardize=yes     (text=onehot: 0 and 1 columns; see
//                 runtime/csv.h; + joins names)
// A path that exists is taken as a path even if it looks like a generator. Every key may be left out but
// csv's path. T401 no such path, T301 nothing in it to train on, T302 an unknown form, T610 an unknown key or
// a bad value, with the nearest one known.
#pragma once

#include <string>

#include "runtime/data.h"

namespace tenon::runtime {

// Columns of a folder or a file of arrays are cut as `cuts` says, along the first axis where it does not name
// them.
support::Result<TrainTest> load_data(const std::string& spec, const Cuts& cuts = {});

// The two halves of it, for those who divide the rows in between. Tables are read with `form`, where one was
// kept with the weights, and are otherwise ignored by it; keys of the spec that say other than it are T610.
support::Result<TrainTest> load_raw(const std::string& spec, const Cuts& cuts = {},
                                    const TableForm* form = nullptr);
// Shapes rows of tables (runtime/table_form.h): by the form that was kept, else as the training rows fit it.
support::Result<TrainTest> shape_data(TrainTest raw, const TableForm* kept = nullptr);

}  // namespace tenon::runtime
