#include "host/bundle/sha256.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <vector>

#include "host/command/error.hpp"

namespace systole::bundle {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void require(int done) {
  if (done != 1) throw Error("the hash cannot be computed", "SHA-256");
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr ? 1 : 0);
  require(EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr));
}

Sha256& Sha256::add(const void* data, std::size_t bytes) {
  require(EVP_DigestUpdate(context_of(context_.get()), data, bytes));
  return *this;
}

std::string Sha256::text() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned bytes = 0;
  require(EVP_DigestFinal_ex(context_of(context_.get()), hash.data(), &bytes));
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += fmt::format("{:02x}", hash[i]);
  return text;
}

FileDigest digest_of(const std::filesystem::path& file) {
  // Before it is opened: opening a FIFO waits for a writer.
  std::error_code missing;
  if (std::filesystem::exists(file, missing) && !std::filesystem::is_regular_file(file))
    throw Error("not a regular file", file.string());
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error("can't open file", file.string());
  FileDigest digest;
  Sha256 hash;
  std::vector<char> part(1 << 16);
  while (in.read(part.data(), static_cast<std::streamsize>(part.size())) || in.gcount() > 0) {
    hash.add(part.data(), static_cast<std::size_t>(in.gcount()));
    digest.bytes += static_cast<uint64_t>(in.gcount());
  }
  if (in.bad()) throw Error("can't read file", file.string());
  digest.sha256 = hash.text();
  return digest;
}

}  // namespace systole::bundle
