// The `systole` command: turns words into calls and errors into exit statuses, nothing else.
#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

#include "host/app/compile_command.hpp"
#include "host/app/options.hpp"
#include "host/app/replay.hpp"
#include "host/app/run_command.hpp"
#include "host/app/show.hpp"
#include "host/app/zoo.hpp"
#include "host/command/error.hpp"
#include "host/command/unwritable.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

#ifndef SYSTOLE_COMMIT
#define SYSTOLE_COMMIT "unknown"
#endif

namespace {

constexpr int kFailure = 2;

constexpr const char* kHelp =
    "systole: runs quantized networks on an open inference accelerator, in RTL\n\n"
    "usage: systole COMMAND ...\n\n"
    "  run MODEL.onnx   compile, run and check a model; systole run --help\n"
    "  compile MODEL    compile, and say what became of it: systole compile --help\n"
    "  zoo              networks that others know: systole zoo --help\n"
    "  explain          show a failure again, or pack it: systole explain --help\n"
    "  replay BUNDLE    run a packed failure again: systole replay --help\n"
    "  --version        commit and configurations\n"
    "  --help           this text\n\n"
    "example:\n"
    "  systole run model.onnx --input x.npy --output y.npy --config small --json run.json\n";

void print_version() {
  fmt::print("systole {}\n", SYSTOLE_COMMIT);
  for (const auto& config : systole::spec::Configs) {
    fmt::print("  {:<8} {}x{} nodes: {}\n", config.name, config.num_cols, config.num_rows,
               config.use);
  }
}

int dispatch(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "run") {
    systole::app::RunOptions options;
    options.commit = SYSTOLE_COMMIT;
    const auto action = systole::app::parse_run(argc - 1, argv + 1, options);
    return action == systole::app::Action::Run ? systole::app::run(options) : 0;
  }
  if (command == "compile") {
    systole::app::CompileCommand options;
    const auto action = systole::app::parse_compile(argc - 1, argv + 1, options);
    return action == systole::app::Action::Run ? systole::app::compile_model(options) : 0;
  }
  if (command == "zoo") return systole::app::zoo(argc - 1, argv + 1);
  if (command == "explain") {
    systole::app::ExplainOptions options;
    const auto action = systole::app::parse_explain(argc - 1, argv + 1, options);
    return action == systole::app::Action::Run ? systole::app::show(options) : 0;
  }
  if (command == "replay") {
    systole::app::ReplayOptions options;
    options.commit = SYSTOLE_COMMIT;
    const auto action = systole::app::parse_replay(argc - 1, argv + 1, options);
    return action == systole::app::Action::Run ? systole::app::replay(options) : 0;
  }
  if (command == "--version") return print_version(), 0;
  if (command == "--help" || command == "-h") return fmt::print("{}", kHelp), 0;
  throw systole::Error(command.empty() ? "no command" : "unknown command", "",
                       "run, compile, zoo, explain, replay, --version or --help", command);
}

}  // namespace

/// What was printed has arrived only when the buffer is empty.
void require_printed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw systole::unwritable("standard output", errno);
}

/// Ends with the message that something cannot be done; where nobody takes it, without.
int fail(const std::string& message) {
  std::fputs(("systole: " + message + "\n").c_str(), stderr);
  return kFailure;
}

int main(int argc, char** argv) {
  // A file that grows beyond what is allowed is told by the write that fails, as a full disk is.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int status = dispatch(argc, argv);
    require_printed();
    return status;
  } catch (const std::system_error& error) {
    // Of fmt, which does not say where it could not print.
    if (std::ferror(stdout) == 0) return fail(error.what());
    return fail(systole::unwritable("standard output", error.code().value()).what());
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
