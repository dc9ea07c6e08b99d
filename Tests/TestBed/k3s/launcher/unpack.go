package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// unpacked is the folder of the archive's content below root; it appears whole or not at all.
func unpacked(t trailer, root string) (string, error) {
	folder := filepath.Join(root, t.hash)
	if complete(folder) {
		return folder, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(root, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if complete(folder) {
		return folder, nil
	}
	partial := folder + "-tmp"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := unpack(t, partial); err != nil {
		os.RemoveAll(partial)
		return "", err
	}
	if err := os.Rename(partial, folder); err != nil {
		return "", err
	}
	current := filepath.Join(root, "current")
	os.Remove(current)
	return folder, os.Symlink(folder, current)
}

func complete(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "bin", "k3s"))
	return err == nil
}

// unpack writes the archive to folder and compares its hash with the trailer's.
func unpack(t trailer, folder string) error {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	packed := io.TeeReader(io.NewSectionReader(file, t.offset, t.length), hash)
	text, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(text); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := write(archive, header, filepath.Join(folder, header.Name)); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != t.hash {
		return fmt.Errorf("the archive inside this k3s file is damaged: sha256 %s, expected %s", got, t.hash)
	}
	return nil
}

func write(content io.Reader, header *tar.Header, path string) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(header.Mode).Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
