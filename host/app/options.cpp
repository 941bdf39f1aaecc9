#include "host/app/options.hpp"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <iostream>

#include "host/command/error.hpp"

namespace systole::app {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kMaxStream = 1'000'000;

NamedFile named_file(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<NamedFile> named_files(const std::vector<std::string>& texts) {
  std::vector<NamedFile> files;
  for (const std::string& text : texts) files.push_back(named_file(text));
  return files;
}

bool on_or_off(const std::string& option, const std::string& text) {
  if (text == "on") return true;
  if (text == "off") return false;
  throw Error("bad value", option, "on or off", text);
}

void parse_trace(const std::string& text, SimulationOptions& simulation) {
  const std::size_t colon = text.find(':');
  try {
    if (colon == std::string::npos) throw std::invalid_argument(text);
    std::size_t used = 0;
    simulation.trace_from = std::stoull(text, &used);
    if (used != colon) throw std::invalid_argument(text);
    const std::string to = text.substr(colon + 1);
    simulation.trace_to = std::stoull(to, &used);
    if (used != to.size() || simulation.trace_to <= simulation.trace_from)
      throw std::invalid_argument(text);
  } catch (const std::logic_error&) {
    throw Error("bad value", "--trace", "FROM:TO in cycles, FROM < TO", text);
  }
}

/// The option parser takes -3 for a large number.
void refuse_negative_numbers(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    const std::string value = equals == std::string::npos ? word : word.substr(equals + 1);
    if (value.size() > 1 && value[0] == '-' &&
        value.find_first_not_of("0123456789", 1) == std::string::npos)
      throw Error("bad value", i > 1 && value == word ? argv[i - 1] : word, "at least 0", value);
  }
}

/// The functional model has no cycles, and runs no RTL.
void refuse_chip_options(const po::variables_map& map) {
  for (const char* name : {"timeline", "report", "trace", "until", "checkpoint-every", "resume",
                           "build", "plusarg", "seed", "firmware", "bundle"}) {
    if (map.count(name) != 0 && !map[name].defaulted())
      throw Error("the functional model has no cycles", fmt::format("--{}", name), "--device chip",
                  "model");
  }
}

/// They are made of the events.
void refuse_without_events(const RunOptions& o) {
  if (o.explain) throw Error("events are needed", "--explain on", "--explain off", "--events off");
  if (!o.timeline.empty())
    throw Error("events are needed", "--timeline " + o.timeline, "--events on", "--events off");
}

/// The only positional word of `systole <command>`.
std::string only(const std::vector<std::string>& positional, const std::string& command,
                 const std::string& what, const std::string& expected) {
  if (positional.size() == 1) return positional[0];
  throw Error("one " + what + " is needed", "systole " + command, expected,
              positional.empty() ? "none" : fmt::format("{} files", positional.size()));
}

/// Whole names only: an explanation finds options in the words of a command line.
po::variables_map parse(int argc, const char* const* argv, const po::options_description& options,
                        const std::string& command) {
  po::positional_options_description positional;
  positional.add("positional", -1);
  po::variables_map map;
  try {
    namespace style = po::command_line_style;
    po::store(po::command_line_parser(argc, argv)
                  .options(options)
                  .positional(positional)
                  .style(style::default_style & ~style::allow_guessing)
                  .run(),
              map);
    po::notify(map);
  } catch (const po::error& error) {
    throw Error(fmt::format("{}; see systole {} --help", error.what(), command),
                "systole " + command);
  }
  return map;
}

/// What a model is given.
void add_inputs(po::options_description& visible, std::vector<std::string>& inputs, RunOptions& o) {
  visible.add_options()  //
      ("input,i", po::value(&inputs)->value_name("[NAME=]FILE"),
       "an input tensor, .npy or .pb (ONNX TensorProto); by name, or in the model's order. A "
       "leading dimension that the model leaves open (or gives as 1) is a stream of inferences; "
       "so are several files of one name")  //
      ("stream", po::value(&o.stream)->value_name("N")->default_value(0),
       "run N inferences, the inputs over and over; 0: each once");
}

/// For what chip it is compiled, and how.
void add_plan(po::options_description& visible, RunOptions& o) {
  visible.add_options()  //
      ("config,c", po::value(&o.config)->value_name("NAME")->default_value(o.config),
       "chip configuration: tiny, small, wide, medium, large")  //
      ("tiles", po::value(&o.tiles)->value_name("N")->default_value(0),
       "compute tiles to use, 0: all")  //
      ("dram-channels", po::value(&o.channels)->value_name("N")->default_value(0),
       "DRAM channels to use, 0: all")  //
      ("optimize", po::value(&o.optimize)->value_name("GOAL")->default_value(o.optimize),
       "latency: one input after the other, each on all tiles; throughput: as many at once as "
       "pays; auto: throughput where there is more than one input")  //
      ("groups", po::value(&o.groups)->value_name("N")->default_value(0),
       "divide the tiles into N groups, each with inputs of its own, 0: as --optimize says")  //
      ("in-flight", po::value(&o.in_flight)->value_name("N")->default_value(0),
       "inputs that a group works on at a time, 0: as --optimize says")  //
      ("stages", po::value(&o.stages)->value_name("N")->default_value(0),
       "cut the network into N stages, each a tile's of every group, 0: as --optimize says")  //
      ("dram", po::value(&o.simulation.dram)->value_name("NAME")->default_value(o.simulation.dram),
       "DRAM timing: ddr4-3200, hbm2e");
}

void check_plan(const RunOptions& o) {
  if (o.stream > kMaxStream)
    throw Error("bad value", "--stream", fmt::format("at most {}", kMaxStream),
                std::to_string(o.stream));
  if (o.optimize != "auto" && o.optimize != "latency" && o.optimize != "throughput")
    throw Error("bad value", "--optimize", "auto, latency or throughput", o.optimize);
}

}  // namespace

Action parse_compile(int argc, const char* const* argv, CompileCommand& o) {
  std::vector<std::string> models, inputs;
  po::options_description visible("Options", 100, 60);
  visible.add_options()  //
      ("explain",
       "say of each layer which tiles and loops compute it, where weights and results "
       "lie, and what binds it");
  add_inputs(visible, inputs, o.run);
  add_plan(visible, o.run);
  visible.add_options()                                                               //
      ("json", po::value(&o.run.json)->value_name("FILE"), "write the plan as JSON")  //
      ("help,h", "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&models));
  refuse_negative_numbers(argc, argv);
  const po::variables_map map = parse(argc, argv, all, "compile");
  if (map.count("help") != 0) {
    std::cout << "usage: systole compile MODEL.onnx [options]\n\n"
                 "Compiles a quantized ONNX model for the chip and says what became of it; nothing "
                 "runs. Without\n"
                 "--input the shapes are the model's own. Exit status: 0, or 2 for bad input.\n\n"
              << visible;
    return Action::Done;
  }
  o.run.model = only(models, "compile", "model", "MODEL.onnx");
  o.run.inputs = named_files(inputs);
  o.explain = map.count("explain") != 0;
  check_plan(o.run);
  return Action::Run;
}

Action parse_run(int argc, const char* const* argv, RunOptions& o) {
  std::vector<std::string> models, inputs, outputs;
  std::string trace, lockstep = "on", events = "on", explain = "on", on_mismatch = "stop";
  po::options_description visible("Options", 100, 60);
  add_inputs(visible, inputs, o);
  add_plan(visible, o);
  visible.add_options()  //
      ("output,o", po::value(&outputs)->value_name("[NAME=]FILE"),
       "where to write an output, .npy")  //
      ("samples", po::value(&o.samples)->value_name("FOLDER"),
       "run the recorded samples of a folder, input_K.npy with output_K.npy (or ONNX's "
       "test_data_set_K/), and compare the outputs with the recorded ones")  //
      ("labels", po::value(&o.labels)->value_name("FILE"),
       "integer labels, .npy: prints the accuracy of the first output's argmax")  //
      ("device,d", po::value(&o.device)->value_name("chip|model")->default_value(o.device),
       "the simulated RTL, or the functional model alone (fast, no cycles)")        //
      ("json", po::value(&o.json)->value_name("FILE"), "write the report as JSON")  //
      ("report", po::value(&o.report)->value_name("FILE"),
       "write a page, HTML, that shows where the cycles went")  //
      ("scaling",
       "page and JSON say, too, what 1, 2, 4, ... tiles and larger configurations would give: "
       "predicted, which compiles the network for each")  //
      ("timeline", po::value(&o.timeline)->value_name("FILE"),
       "write what every unit did when, as JSON for ui.perfetto.dev or chrome://tracing")  //
      ("sample-cycles",
       po::value(&o.sample_cycles)->value_name("N")->default_value(o.sample_cycles),
       "cycles between two samples of the timeline's counters")  //
      ("lockstep", po::value(&lockstep)->value_name("on|off")->default_value(lockstep),
       "judge every command of the chip against the functional model as it retires")  //
      ("events", po::value(&events)->value_name("on|off")->default_value(events),
       "follow every command: the cycles of each layer, and what bounds it")  //
      ("on-mismatch",
       po::value(&on_mismatch)->value_name("stop|continue")->default_value(on_mismatch),
       "what a command that differs does to the run")  //
      ("explain", po::value(&explain)->value_name("on|off")->default_value(explain),
       "explain a failure: run again from a checkpoint with waves, and write a folder")  //
      ("explain-folder",
       po::value(&o.explain_folder)->value_name("FOLDER")->default_value(o.explain_folder),
       "where to write such folders")  //
      ("bundle", po::value(&o.bundle)->value_name("FILE"),
       "write the explanation also as one file to share, .tar.gz; systole replay FILE")  //
      ("no-check", "do not compare the outputs with the graph reference")                //
      ("requests-of", po::value(&o.inputs_per_request)->value_name("N")->default_value(32),
       "inferences in one request to the chip")  //
      ("timeout", po::value(&o.timeout_cycles)->value_name("CYCLES")->default_value(0),
       "cycles after which the firmware gives a request up, 0: 2^32-1")  //
      ("watchdog",
       po::value(&o.simulation.watchdog_cycles)
           ->value_name("CYCLES")
           ->default_value(o.simulation.watchdog_cycles),
       "cycles without any progress that end the run as a hang")                                //
      ("trace", po::value(&trace)->value_name("FROM:TO"), "write waves of these cycles (FST)")  //
      ("trace-file",
       po::value(&o.simulation.trace_file)
           ->value_name("FILE")
           ->default_value(o.simulation.trace_file),
       "where to write them")  //
      ("until", po::value(&o.simulation.until)->value_name("CYCLE")->default_value(0),
       "end the run in this cycle, 0: let it run")  //
      ("checkpoint-every",
       po::value(&o.simulation.checkpoint_every)->value_name("CYCLES")->default_value(0),
       "write a checkpoint each time so many cycles have passed, 0: none; the last 3 are kept")  //
      ("checkpoint-folder", po::value(&o.simulation.checkpoint_folder)->value_name("FOLDER"),
       "where to write them; by default build/checkpoints/<model>")  //
      ("resume", po::value(&o.simulation.resume)->value_name("FILE"),
       "go on from a checkpoint of the same run: same build, model, inputs and options")  //
      ("cycles-per-wait",
       po::value(&o.simulation.cycles_per_wait)
           ->value_name("N")
           ->default_value(o.simulation.cycles_per_wait),
       "clock cycles per SystemC wait; results and cycles do not depend on it")  //
      ("build", po::value(&o.build)->value_name("NAME"),
       "another build of the configuration, build/<NAME>: small-xrand")  //
      ("plusarg", po::value(&o.simulation.plusargs)->value_name("+WORD")->composing(),
       "hand the model a word, as $test$plusargs sees it")  //
      ("seed", po::value(&o.simulation.random_reset)->value_name("N")->default_value(0),
       "seed of the initial state, in a build that randomizes it")                        //
      ("firmware", po::value(&o.firmware)->value_name("FILE"), "another firmware image")  //
      ("quiet,q", "no progress line")                                                     //
      ("help,h", "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&models));
  refuse_negative_numbers(argc, argv);
  const po::variables_map map = parse(argc, argv, all, "run");
  if (map.count("help") != 0) {
    std::cout << "usage: systole run MODEL.onnx --input [NAME=]x.npy ... [options]\n\n"
                 "Compiles a quantized ONNX model for the chip, runs it, and compares every "
                 "command with the\n"
                 "functional model and every output with the graph reference. Exit status: 0 when "
                 "all agree,\n"
                 "1 when they do not, 2 for bad input or a failure.\n\n"
              << visible;
    return Action::Done;
  }
  o.model = only(models, "run", "model", "MODEL.onnx");
  o.inputs = named_files(inputs);
  o.outputs = named_files(outputs);
  o.check = map.count("no-check") == 0;
  o.quiet = map.count("quiet") != 0;
  o.scaling = map.count("scaling") != 0;
  if (o.scaling && o.report.empty() && o.json.empty())
    throw Error("nothing would show it", "--scaling", "--report FILE or --json FILE");
  o.simulation.lockstep = on_or_off("--lockstep", lockstep);
  o.events = on_or_off("--events", events);
  o.explain = on_or_off("--explain", explain);
  if (!o.bundle.empty() && !o.explain)
    throw Error("a bundle holds an explanation", "--bundle", "--explain on", "off");
  if (on_mismatch != "stop" && on_mismatch != "continue")
    throw Error("bad value", "--on-mismatch", "stop or continue", on_mismatch);
  o.simulation.stop_on_mismatch = on_mismatch == "stop";
  o.words.assign(argv + 1, argv + argc);
  if (!trace.empty()) parse_trace(trace, o.simulation);
  if (o.device != "chip" && o.device != "model")
    throw Error("unknown device", "--device", "chip or model", o.device);
  if (o.device != "chip") refuse_chip_options(map);
  check_plan(o);
  if (!o.events) refuse_without_events(o);
  if (o.sample_cycles == 0) throw Error("bad value", "--sample-cycles", "at least 1", "0");
  if (!o.samples.empty() && !o.inputs.empty())
    throw Error("inputs are given twice", "--samples " + o.samples, "one of --samples and --input");
  if (!o.labels.empty() && o.stream > 0)
    throw Error("labels are of each input once", "--labels " + o.labels, "no --stream");
  if (o.inputs_per_request == 0) throw Error("bad value", "--requests-of", "at least 1", "0");
  if (o.simulation.cycles_per_wait == 0)
    throw Error("bad value", "--cycles-per-wait", "at least 1", "0");
  return Action::Run;
}

Action parse_explain(int argc, const char* const* argv, ExplainOptions& o) {
  std::vector<std::string> folders;
  po::options_description visible("Options", 100, 60);
  visible.add_options()  //
      ("bundle,b", po::value(&o.bundle)->value_name("FILE"),
       "pack it into one file, .tar.gz, with everything that systole replay needs: model, inputs, "
       "firmware, checkpoint, waves, the last commands")  //
      ("help,h", "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&folders));
  const po::variables_map map = parse(argc, argv, all, "explain");
  if (map.count("help") != 0) {
    std::cout << "usage: systole explain [FOLDER] [options]\n\n"
                 "Shows an explanation that a failed run has written: FOLDER, or the newest one in "
                 "build/explain.\n"
                 "Exit status: 0, or 2 for bad input.\n\n"
              << visible;
    return Action::Done;
  }
  if (map.count("bundle") != 0 && o.bundle.empty())
    throw Error("bad value", "--bundle", "a file's name", "none");
  if (!folders.empty()) o.folder = only(folders, "explain", "folder", "FOLDER");
  return Action::Run;
}

Action parse_replay(int argc, const char* const* argv, ReplayOptions& o) {
  std::vector<std::string> bundles;
  po::options_description visible("Options", 100, 60);
  visible.add_options()  //
      ("folder,f", po::value(&o.folder)->value_name("FOLDER"),
       "where to unpack it; by default build/replay/<the bundle's name>. The folder of an earlier "
       "replay is replaced")  //
      ("from-reset",
       "run it without the checkpoint, to the end: on another build of the chip, to see whether "
       "the failure is gone")  //
      ("build", po::value(&o.build)->value_name("NAME"),
       "another build of the chip, build/<NAME>; by default the recorded one")  //
      ("help,h", "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&bundles));
  const po::variables_map map = parse(argc, argv, all, "replay");
  if (map.count("help") != 0) {
    std::cout << "usage: systole replay BUNDLE [options]\n\n"
                 "Runs what failed once more, from the bundle's checkpoint and with waves, and "
                 "shows that it fails\n"
                 "as it did: same kind, cycle and text. The chip must be of the same build.\n\n"
                 "Exit status: 1 when the failure shows; 2 for bad input, another build, or a run "
                 "that does not fail\n"
                 "as it did. With --from-reset: 0 when the failure is gone and all outputs agree, "
                 "1 when it shows,\n"
                 "another one does, or an output differs.\n\n"
              << visible;
    return Action::Done;
  }
  o.bundle = only(bundles, "replay", "bundle", "BUNDLE.tar.gz");
  o.from_reset = map.count("from-reset") != 0;
  return Action::Run;
}

}  // namespace systole::app
