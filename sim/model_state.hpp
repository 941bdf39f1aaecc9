// What the Verilated model can show: its state in a checkpoint (Verilator's own streams, kept in
// memory) and waves. A build without observability (sim.mk) has neither.
#pragma once

#include <verilated_fst_c.h>
#include <verilated_save.h>

#include <string>

#include "Vsystole_chip.h"
#include "host/command/archive.hpp"

namespace systole::sim {

#ifdef SYSTOLE_UNOBSERVED
inline constexpr bool kObservable = false;

// Never called: SimDevice refuses options that ask for them.
template <class Archive>
void archive_model(Archive&, Vsystole_chip&) {}
inline void trace_model(Vsystole_chip&, VerilatedFstC&) {}
#else
inline constexpr bool kObservable = true;

inline void trace_model(Vsystole_chip& model, VerilatedFstC& waves) { model.trace(&waves, 99); }

class ModelWriter : public VerilatedSerialize {
 public:
  ModelWriter() { m_isOpen = true; }
  void flush() override {
    bytes_.append(reinterpret_cast<const char*>(m_bufp), static_cast<std::size_t>(m_cp - m_bufp));
    m_cp = m_bufp;
  }
  std::string take() {
    flush();
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

class ModelReader : public VerilatedDeserialize {
 public:
  explicit ModelReader(const std::string& bytes) {
    // One buffer with all of it; the reader wants some room behind what it looks at.
    delete[] m_bufp;
    m_bufp = new uint8_t[bytes.size() + bufferInsertSize()]();
    m_cp = m_bufp;
    m_endp = m_bufp + bytes.size() + bufferInsertSize();
    bytes.copy(reinterpret_cast<char*>(m_bufp), bytes.size());
    m_isOpen = true;
  }

 private:
  void fill() override {}
};

/// The model must be of the build that wrote it: Verilator compares a hash of its variables.
template <class Archive>
void archive_model(Archive& archive, Vsystole_chip& model) {
  std::string bytes;
  if constexpr (Archive::is_loading::value) {
    archive(bytes);
    ModelReader reader(bytes);
    reader >> model;
  } else {
    ModelWriter writer;
    writer << model;
    bytes = writer.take();
    archive(bytes);
  }
}
#endif

}  // namespace systole::sim
