#include "host/app/unpacked_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "host/bundle/tar_file.hpp"
#include "host/command/error.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

void require_replaceable(const fs::path& place) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(place, error))) return;
  const bool folder = fs::is_directory(place, error);
  if (folder && (fs::is_empty(place, error) || fs::exists(place / bundle::kManifest, error)))
    return;
  throw Error("is in the way", place.string(), "no such folder, an empty one or one of a replay",
              folder ? "another folder" : "a file");
}

}  // namespace

UnpackedFolder::UnpackedFolder(fs::path place) : place_(std::move(place)) {
  require_replaceable(place_);
  std::error_code error;
  for (fs::path above = place_.parent_path(); !above.empty() && !fs::exists(above, error);
       above = above.parent_path())
    made_.push_back(above);
  if (!made_.empty()) fs::create_directories(made_.front(), error);
  std::string name = place_.string() + "." + std::string(6, 'X');  // for mkdtemp
  if (::mkdtemp(name.data()) == nullptr) fail(std::strerror(errno));
  path_ = name;
  fs::permissions(path_,
                  fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read |
                      fs::perms::others_exec,
                  fs::perm_options::add, error);
}

UnpackedFolder::~UnpackedFolder() {
  if (!kept_) remove();
}

void UnpackedFolder::remove() const {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  for (const fs::path& above : made_) fs::remove(above, ignored);
}

void UnpackedFolder::fail(const std::string& why) const {
  remove();
  throw Error("cannot be written", place_.string(), "a folder", why);
}

void UnpackedFolder::move() {
  const fs::path old = path_.string() + ".old";
  std::error_code error, ignored;
  const bool replaces = fs::exists(place_, ignored);
  if (replaces) fs::rename(place_, old, error);
  if (!error) {
    fs::rename(path_, place_, error);
    if (error && replaces) fs::rename(old, place_, ignored);
  }
  if (error) fail(error.message());
  path_ = place_;
  fs::remove_all(old, ignored);
}

}  // namespace systole::app
