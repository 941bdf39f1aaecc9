// What build/<config>/libsystole_chip.so exports, and what the kernel and the model want of a
// program: sc_main, and what happens when an assertion of the RTL fails.
#include <fmt/format.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "host/command/error.hpp"
#include "sim/model_output.hpp"
#include "sim/sim_device.hpp"

#define SYSTOLE_EXPORT __attribute__((visibility("default")))

extern "C" SYSTOLE_EXPORT systole::SimulatedChip* systole_create_chip(
    const systole::SimulationOptions& options) {
  for (const auto& config : systole::spec::Configs) {
    if (std::string(config.name) == SYSTOLE_CONFIG) {
      return new systole::sim::SimDevice(
          {std::string(config.name), config.num_cols, config.num_rows}, options);
    }
  }
  throw systole::Error("the library's configuration is unknown", SYSTOLE_CONFIG);
}

extern "C" SYSTOLE_EXPORT const char* systole_chip_build_id() {
  static const std::string id = systole::sim::build_id();
  return id.c_str();
}

extern "C" SYSTOLE_EXPORT std::size_t systole_chip_interface() { return SYSTOLE_CHIP_INTERFACE; }

/// The kernel's library wants it; the host program runs the kernel itself.
SYSTOLE_EXPORT int sc_main(int, char**) { return 1; }

namespace {

/// What the model said of the assertion that fails next: its instance and its name.
std::string& assertion_text() {
  thread_local std::string text;
  return text;
}

int& failed_write() {
  thread_local int number = 0;
  return number;
}

void note_failed_write(int number) {
  if (failed_write() == 0) failed_write() = number;
}

[[noreturn]] void fail(const char* filename, int linenum, const std::string& what) {
  throw systole::sim::RtlAssertion(fmt::format("{} ({} line {})", what, filename, linenum));
}

}  // namespace

int systole_model_printf(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const char* const failed = "Assertion failed in TOP.";
  const char* const at = std::strstr(text, failed);
  if (at == nullptr) return std::fputs(text, stdout), length;
  assertion_text() = std::string(at + std::strlen(failed));
  assertion_text().resize(assertion_text().find_first_of(":\n"));
  return length;
}

std::size_t systole_model_fwrite(const void* data, std::size_t size, std::size_t count,
                                 std::FILE* file) {
  const std::size_t done = std::fwrite(data, size, count, file);
  if (done != count) note_failed_write(errno);
  return done;
}

/// Only the last write may tell of those that were buffered.
int systole_model_fclose(std::FILE* file) {
  const bool failed = std::fflush(file) != 0 || std::ferror(file) != 0;
  if (failed) note_failed_write(errno);
  return std::fclose(file);
}

int take_failed_write() { return std::exchange(failed_write(), 0); }

// Names and signatures are Verilator's (VL_USER_STOP, VL_USER_FATAL).
void vl_stop(const char* filename, int linenum, const char* hier) VL_MT_UNSAFE {
  const std::string text = std::exchange(assertion_text(), "");
  fail(filename, linenum, text.empty() ? hier : text);
}

void vl_fatal(const char* filename, int linenum, const char* hier, const char* msg) VL_MT_UNSAFE {
  fail(filename, linenum, fmt::format("{}: {}", hier, msg));
}
