#!/bin/bash
# SPDX-License-Identifier: MIT
# packages.sh DIR: what a static mpsample for arm64 and a guest that runs it are made of, from Debian's arm64 packages,
# unpacked into DIR (with vmlinuz, and libkissfft-float.a, of which Debian only has the source). Nothing is done
# where it is there already. Needs no root; apt works on lists and a cache of its own, and leaves those of the host, its
# architectures and its packages alone.
set -euo pipefail

packages=(libbpf-dev libelf-dev libdwarf-dev libunwind-dev libsqlite3-dev libinih-dev libiberty-dev liblzma-dev zlib1g-dev
	libzstd-dev libpfm4-dev libseccomp-dev libkissfft-dev libbsd-dev busybox-static)
cc=aarch64-linux-gnu-gcc

dir=${1:?}
made_by=$(cksum <"$0")
[[ $(cat "$dir/made_by" 2>/dev/null) != "$made_by" ]] || exit 0

mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log

# run WHAT COMMAND...: its output is only of interest if it fails.
run() {
	"${@:2}" >"$log" 2>&1 || {
		echo "packages.sh: $1: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log")" >&2
		exit 1
	}
}

# ---- An apt for arm64: Debian's archives as the host has them, else the first of all mirrors ----

mkdir -p "$work"/apt/{state/lists,cache/archives}/partial "$work"/{debs,root,kissfft}
touch "$work/apt/status"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $keys ]] && signed="[signed-by=$keys]" || signed=
archives=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Component: main' 2>/dev/null |
	sed -n 's/^Debian //p' | sort -u)
[[ $archives ]] || archives="http://deb.debian.org/debian $(. /etc/os-release && echo "${VERSION_CODENAME:-stable}") main"
sed "s|.*|deb $signed &\ndeb-src $signed &|" <<<"$archives" >"$work/apt/sources.list"
cat >"$work/apt/conf" <<-END
	Dir::State "$work/apt/state";
	Dir::State::status "$work/apt/status";
	Dir::Cache "$work/apt/cache";
	Dir::Etc::sourcelist "$work/apt/sources.list";
	Dir::Etc::sourceparts "-";
	APT::Architecture "arm64";
	#clear APT::Architectures;
	APT::Architectures { "arm64"; };
	APT::Sandbox::User "root";
	APT::Update::Error-Mode "any";
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	Acquire::Languages "none";
	Acquire::Retries "2";
END
apt() {
	"apt-$1" -c="$work/apt/conf" "${@:2}"
}

cd "$work/debs"
run "lists of arm64 packages" apt get update
kernel=$(apt cache depends linux-image-cloud-arm64 | sed -n 's/^ *Depends: \(linux-image-\)/\1/p' | head -n 1)
[[ $kernel ]] || { echo "packages.sh: linux-image-cloud-arm64 is no package of $archives" >&2; exit 1; }
run "arm64 packages" apt get download "${packages[@]}" "$kernel"
run "source of libkissfft" apt get source --download-only libkissfft-dev

# ---- Unpacked ----

for deb in *.deb; do
	case $deb in
	linux-image-*) dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards './boot/vmlinuz-*' >"$work/root/vmlinuz" ;;
	*) dpkg-deb -x "$deb" "$work/root" ;;
	esac
done
tar -xf kissfft_*.orig.tar.* -C "$work/kissfft" --strip-components=1
cd "$work/kissfft"
run "libkissfft for arm64" "$cc" -O2 -c kiss_fft.c kiss_fftr.c
rm "$work"/root/usr/lib/aarch64-linux-gnu/libkissfft-float.so
run "libkissfft for arm64" "${cc%gcc}ar" rcs "$work/root/usr/lib/aarch64-linux-gnu/libkissfft-float.a" kiss_fft.o kiss_fftr.o

# Whole, or not there at all.
echo "$made_by" >"$work/root/made_by"
rm -rf "$dir"
mv -T "$work/root" "$dir"
