#!/usr/bin/env bash
# Proves that a machine with nothing installed can follow the README:
#
#   tools/bare_debian.sh [--user] [goals, default: setup sim]
#
# makes a bare Debian 12 root (mmdebstrap; only make, git and, for --user, sudo beside what Debian calls
# required), clones this repository's last commit into it, and runs `make <goals>` there, as root or as a
# user with sudo. Prints the seconds it took. Runs as root; leaves the root in build/bare_debian.
set -euo pipefail
cd "$(dirname "$0")/.."
source_dir=$PWD
account=root
home=/root
if [ "${1:-}" = --user ]; then
  account=builder
  home=/home/builder
  shift
fi
[ $# -gt 0 ] || set -- setup sim

root=${BARE_ROOT:-$PWD/build/bare_debian}
mkdir -p "$(dirname "$root")"
umount_all() {
  umount "$root/proc" 2>/dev/null || true
  umount "$root/dev" 2>/dev/null || true
}
trap umount_all EXIT
umount_all
rm -rf --one-file-system "$root"
mmdebstrap --quiet --variant=minbase --include=make,git,ca-certificates,sudo bookworm "$root" \
  $(ls /etc/apt/sources.list.d/debian.sources 2>/dev/null)

# How this machine reaches the package registries holds there too.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf ${PIP_CERT:-}; do
  [ -f "$file" ] || continue
  mkdir -p "$root$(dirname "$file")"
  cp -L "$file" "$root$file"
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"
umount_all() {
  umount "$root/proc" 2>/dev/null || true
  umount -R "$root/dev" 2>/dev/null || true
}

if [ "$account" != root ]; then
  chroot "$root" useradd -m -s /bin/bash "$account"
  echo "$account ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$account"
fi
git -c safe.directory="$source_dir" clone --quiet --no-hardlinks "$source_dir" "$root$home/systole"
chroot "$root" chown -R "$account:" "$home/systole"

start=$SECONDS
status=0
chroot "$root" /usr/bin/env -i HOME="$home" USER="$account" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  ${PIP_CERT:+PIP_CERT="$PIP_CERT"} TERM=dumb \
  setpriv --reuid="$account" --regid="$account" --init-groups \
  bash -c 'cd ~/systole && make "$@"' make "$@" </dev/null || status=$?
echo "bare Debian 12 as $account: make $*: exit $status after $((SECONDS - start)) s"
exit $status
