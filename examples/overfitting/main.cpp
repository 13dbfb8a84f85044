// Too large a network on too little data, and what helps against it.
//
//   overfitting [--data DIR] [--epochs N] [--samples N] [--svg FILE]
//
// A network that could learn its few digits by heart, one in seven with a wrong label, is trained as it is,
// then with ten times the data, with few neurons, with an L1 and an L2 penalty on the weights, with dropout,
// on digits that are moved anew in every epoch, and no longer than rows that are held out gain by it. For
// each, the loss on the rows trained on stands beside the loss on others: their gap is what was learned by
// heart. DIR holds MNIST as IDX files; FILE receives the curves.
#include <algorithm>
#include <fstream>
#include <random>

#include "../common/arguments.hpp"

namespace tn = tenon;

namespace {

constexpr int64_t side = 28, classes = 10;

struct Settings {
  std::string data, svg;
  int64_t epochs = 25, samples = 200;
};

struct Curves {
  std::string name;
  std::vector<double> train, test;  // loss without penalties, by epochs
  size_t kept = 0;                  // the epoch whose parameters count
  double gap() const { return test[kept] - train[kept]; }
};

struct Rows {
  tn::Data few, many, validation, test;
};

struct Cure {
  std::string name;
  const tn::Program& program;
  double l1 = 0, l2 = 0;
  bool many = false, early = false;
};

// `moved`: pixels by which pictures are moved at most, drawn anew for each in every step.
tn::Program network(int64_t hidden, double dropped, int64_t moved) {
  tn::Model m("overfitting");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, side, side}),
                  label = m.input<int32_t>("label", {batch});
  const tn::Value x = tn::cast<float>(tn::reshape(image, {batch, side, side, 1})) * (1.0 / 255);
  tn::Value h = tn::flatten(moved > 0 ? tn::random_shift(x, {moved, moved}) : x);
  for (const char* name : {"fc1", "fc2"}) {
    h = tn::relu(tn::dense(h, hidden, {.name = name, .init = "he_normal"}));
    if (dropped > 0) h = tn::dropout(h, dropped);
  }
  const tn::Value z = tn::dense(h, classes, {.name = "fc3"});
  const tn::Value error = tn::cross_entropy(z, label), l1 = m.hyper("l1", 0.0), l2 = m.hyper("l2", 0.0);
  const std::vector<tn::Value> weights = m.params("*.w");
  m.metric("error", error);
  m.step("train", error + l1 * tn::l1(weights) + l2 * tn::l2(weights), tn::adam({.lr = 1e-3}));
  return tn::compile(m);
}

// One label in seven is drawn anew: what there is to learn by heart. Rows held out are clean.
tn::Data spoiled(const tn::Data& data) {
  std::mt19937 engine(7);
  const std::span<const uint8_t> from = data.column<uint8_t>("image");
  const std::span<const int32_t> label = data.column<int32_t>("label");
  std::vector<int32_t> labels(label.begin(), label.end());
  for (int32_t& l : labels)
    if (engine() % 7 == 0) l = static_cast<int32_t>(engine() % classes);
  return tn::make_data(
      {{"image", tn::view(from, {data.rows(), side, side})}, {"label", tn::view(labels, {data.rows()})}});
}

Curves train(const Cure& cure, const Rows& rows, int64_t epochs) {
  constexpr size_t patience = 5;  // epochs without a gain
  tn::Session session(cure.program, cure.program.init(7));
  session.hyper("l1") = cure.l1;
  session.hyper("l2") = cure.l2;
  const auto error = [&](const tn::Data& data) { return session.evaluate(data, {.batch = 256})["error"]; };
  const tn::Data& data = cure.many ? rows.many : rows.few;
  Curves out{cure.name, {}, {}, 0};
  double best = 0;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    session.fit(data, {.batch = 32});
    out.train.push_back(error(data));
    out.test.push_back(error(rows.test));
    if (!cure.early) {
      out.kept = out.test.size() - 1;
      continue;
    }
    const double held = error(rows.validation);
    if (epoch == 0 || held < best) {
      best = held;
      out.kept = out.test.size() - 1;
    } else if (out.test.size() - 1 >= out.kept + patience) {
      break;
    }
  }
  return out;
}

// A panel for each cure: training as a dashed line, test as a full one, a dot at the epoch that counts.
void draw(const std::vector<Curves>& all, const std::string& file) {
  constexpr double width = 220, height = 130, across = 4, space = 30;
  double high = 0;
  size_t longest = 2;
  for (const Curves& c : all) {
    longest = std::max(longest, c.test.size());
    for (const auto* line : {&c.train, &c.test})
      high = std::max(high, *std::max_element(line->begin(), line->end()));
  }
  const auto x = [&](size_t epoch) {
    return width * static_cast<double>(epoch) / static_cast<double>(longest - 1);
  };
  const auto y = [&](double loss) { return height * (1 - loss / high); };
  std::ofstream to(file);
  to << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << across * (width + space) + space
     << "\" height=\"" << 2 * (height + 2 * space) << "\" font-family=\"sans-serif\" font-size=\"12\">\n";
  for (size_t i = 0; i < all.size(); ++i) {
    const double left = space + static_cast<double>(i % 4) * (width + space),
                 top = space + static_cast<double>(i / 4) * (height + 2 * space);
    to << "<g transform=\"translate(" << left << "," << top << ")\"><text y=\"-8\">" << all[i].name
       << "</text><path d=\"M0,0V" << height << "H" << width << "\" fill=\"none\" stroke=\"gray\"/>\n";
    const std::vector<double>* lines[] = {&all[i].train, &all[i].test};
    for (int which = 0; which < 2; ++which) {
      to << "<polyline fill=\"none\" stroke=\"" << (which == 0 ? "gray\" stroke-dasharray=\"4" : "black")
         << "\" points=\"";
      for (size_t e = 0; e < lines[which]->size(); ++e) to << x(e) << "," << y((*lines[which])[e]) << " ";
      to << "\"/>\n";
    }
    to << "<circle r=\"3\" cx=\"" << x(all[i].kept) << "\" cy=\"" << y(all[i].test[all[i].kept])
       << "\"/></g>\n";
  }
  to << "</svg>\n";
  std::printf("wrote %s\n", file.c_str());
}

void run(const Settings& s) {
  const tn::TrainTest data =
      s.data.empty() ? tn::make_digits({.samples = 12 * s.samples, .seed = 1}) : tn::load_data(s.data);
  const tn::Data all_rows = spoiled(data.train);
  const int64_t count = all_rows.rows(), few = std::min(s.samples, count / 3),
                many = std::min(10 * few, count - few);
  const Rows rows{all_rows.slice(0, few), all_rows.slice(0, many), data.train.slice(many, many + few),
                  data.test ? *data.test : all_rows.slice(many, count)};

  const tn::Program large = network(256, 0, 0), small = network(48, 0, 0), dropping = network(256, 0.5, 0),
                    moving = network(256, 0, 2);
  const Cure cures[] = {{.name = "as it is", .program = large},
                        {.name = "more data", .program = large, .many = true},
                        {.name = "smaller net", .program = small},
                        {.name = "L1", .program = large, .l1 = 5e-4},
                        {.name = "L2", .program = large, .l2 = 1e-2},
                        {.name = "dropout", .program = dropping},
                        {.name = "augmentation", .program = moving},
                        {.name = "early stopping", .program = large, .early = true}};
  std::vector<Curves> all;
  std::printf("%-16s%10s%10s%10s%10s\n", "", "epochs", "training", "test", "gap");
  for (const Cure& cure : cures) {
    all.push_back(train(cure, rows, s.epochs));
    const Curves& c = all.back();
    std::printf("%-16s%10zu%10.4f%10.4f%10.4f\n", c.name.c_str(), c.kept + 1, c.train[c.kept], c.test[c.kept],
                c.gap());
  }
  if (!s.svg.empty()) draw(all, s.svg);
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  return example::run(argc, argv,
                      {{"data", &s.data}, {"epochs", &s.epochs}, {"samples", &s.samples}, {"svg", &s.svg}},
                      [&] { run(s); });
}
