#include "host/app/compile_command.hpp"

#include <fmt/format.h>

#include "host/app/prepared_run.hpp"
#include "host/command/output_file.hpp"
#include "host/report/plan.hpp"

namespace systole::app {

int compile_model(const CompileCommand& command) {
  const RunOptions& options = command.run;
  const PreparedRun prepared = prepare_without_data(options);
  report::Plan plan = report::plan(prepared.model, options.simulation.dram);
  plan.model = options.model;
  plan.compile_s = prepared.compile_s;
  if (!options.json.empty()) {
    OutputFile file(options.json);
    file.stream() << report::json(plan);
    file.commit();
  }
  fmt::print("{}", report::text(plan, command.explain));
  return 0;
}

}  // namespace systole::app
