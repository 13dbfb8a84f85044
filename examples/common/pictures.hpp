// What the classifiers of coloured pictures share: their options, their data, and how they are trained.
#pragma once

#include "arguments.hpp"

namespace example {

namespace tn = tenon;

constexpr int64_t picture_size = 32, picture_classes = 10;

struct Settings {
  std::string data, save;  // a folder to read, a file to write
  int64_t epochs, width, samples;
};

/// image u8 [rows, 32, 32, 3] and label i32 [rows]: drawn figures, or what the folder holds.
inline tn::TrainTest pictures(const Settings& s) {
  if (!s.data.empty()) return tn::load_data(s.data);
  return tn::make_shapes({.samples = s.samples, .size = picture_size, .seed = 1});
}

/// Bytes as numbers from -1 to 1.
inline tn::Value centred(const tn::Value& image) { return tn::cast<float>(image) * (1.0 / 127.5) - 1.0; }
/// The same; steps see each picture moved by up to four pixels, half of them turned around.
inline tn::Value seen(const tn::Value& image) {
  return centred(tn::random_flip(tn::random_shift(image, {4, 4})));
}

/// Declares what a classifier's scores are for, trains it and tells how it does on rows that are held out.
inline void train_classifier(tn::Model& m, const tn::Value& scores, const tn::Value& label,
                             const tn::Value& loss, const tn::Optimizer& optimizer, const Settings& s) {
  m.function("predict", {{"probs", tn::softmax(scores)}});
  m.metric("accuracy", tn::accuracy(scores, label));
  m.step("train", loss, optimizer);
  const tn::TrainTest data = pictures(s);
  const tn::Data& test = data.test ? *data.test : data.train;
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  session.fit(data.train,
              {.batch = 64, .epochs = static_cast<uint32_t>(s.epochs), .validate = &test, .progress = true});
  const tn::Report report = session.evaluate(test, {.batch = 256});
  std::printf("%lld test rows: loss %.4f, accuracy %.4f\n", static_cast<long long>(test.rows()), report.loss,
              report["accuracy"]);
  if (s.save.empty()) return;
  state.save(s.save);
  std::printf("wrote %s\n", s.save.c_str());
}

/// The exit status of main: sets what the command line says, then runs `body(settings)`.
template <class Body>
int main_of(int argc, char** argv, Settings s, Body&& body) {
  return run(argc, argv,
             {{"data", &s.data},
              {"epochs", &s.epochs},
              {"width", &s.width},
              {"samples", &s.samples},
              {"save", &s.save}},
             [&] { body(static_cast<const Settings&>(s)); });
}

}  // namespace example
