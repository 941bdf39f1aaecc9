// Where `make` puts what a program needs at run time.
#pragma once

#include <filesystem>

namespace systole {

/// A file that `make` builds, by its path in build/: in the folder that SYSTOLE_BUILD names, or in
/// the folders above the running program (build/systole, build/bench/gemm_chip, ...), so that a
/// program finds it wherever it is started. A path that may not exist when there is none.
std::filesystem::path built_file(const std::filesystem::path& path);

}  // namespace systole
