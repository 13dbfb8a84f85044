// load_data: what `--data` takes.
//
//   a folder      MNIST's IDX files; else CIFAR's .bin files; else train.csv and, where there is one,
//   test.csv;
//                 else *.npy, a column for each; else pictures (runtime/picture_folder.h)
//   a file        .npy (column `x`), .csv .tsv .txt (also .gz: columns `x` and `y`), an IDX file (column
//   `x`),
//                 .bin or .bin.gz of CIFAR
//   a generator   regression:rows=100,features=1,noise=0.1,seed=7
//                 classification:rows=200,features=2,classes=2,separation=4,seed=7
//                 digits:rows=5000,seed=1,test=1000
//                 shapes:rows=2000,size=32,classes=10,objects=1,seed=1
//   csv:          csv:path=train.csv,test=test.csv,target=price,columns=a+b,without=id,labels=classes,
//                 text=skip,missing=drop,header=no,separator=;,standardize=yes (text=onehot: 0 and 1 columns;
//                 see runtime/csv.h; + joins names)
//   cifar10:, cifar100:   cifar10:path=data.bin, where a file or folder does not tell which it is
//
// A path that exists is taken as a path even if it looks like a generator. Every key may be left out but
// paths. T401 no such path, T301 nothing in it to train on, T302 an unknown form, T610 an unknown key or
// a bad value, with the nearest one known.
#pragma once

#include <string>
#include <vector>

#include "runtime/picture.h"
#include "runtime/source.h"

namespace tenon::runtime {

struct LoadOptions {
  // Columns of arrays are cut as these say, along the first axis where they do not name them.
  Cuts cuts;
  // Of weights that were trained before: how tables are read, and the classes of folders of pictures.
  const TableForm* form = nullptr;
  std::vector<std::string> classes;
  const PictureCodec* pictures = nullptr;  // null: none are read (T505)
};

support::Result<TrainTest> load_data(const std::string& spec, const LoadOptions& options = {});

// The two halves of it, for those who divide the rows in between. Keys of the spec that say other than
// options.form are T610.
support::Result<TrainTest> load_raw(const std::string& spec, const LoadOptions& options = {});
// Shapes rows of tables (runtime/table_form.h): by the form that was kept, else as the training rows fit it.
support::Result<TrainTest> shape_data(TrainTest raw, const TableForm* kept = nullptr);

// The same rows as load_data's, read when they are wanted: those of IDX, CIFAR, .npy and pictures. T610 for
// data that are read or made whole (tables, generators).
support::Result<Sources> open_data(const std::string& spec, const LoadOptions& options = {});

}  // namespace tenon::runtime
