// numpy's .npy files, versions 1.0 to 3.0, little-endian.
#pragma once

#include <string>

#include "host/import/tensor.hpp"

namespace systole::npy {

// Reads float32, int8, uint8, int32 and int64 arrays, in C or Fortran order. Throws Error naming
// the file for another element type, a file that is no .npy, is cut off, or has bytes left over.
Tensor load(const std::string& path);
// The same from memory; `name` stands for the file in messages.
Tensor parse(const std::string& bytes, const std::string& name);

// Writes version 1.0, C order. Throws Error naming the file when it can't be written whole.
void save(const std::string& path, const Tensor& tensor);
std::string serialize(const Tensor& tensor);

}  // namespace systole::npy
