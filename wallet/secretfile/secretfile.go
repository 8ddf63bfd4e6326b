// Package secretfile writes files whole or not at all and reads secrets from
// files that nobody else can read.
//
// What it writes has mode 0600: the contents go to a temporary name in the
// same directory, are flushed to the disk, read back and compared, and only
// then take the final name; the directory is flushed last. After a crash at
// any moment the final name holds the old contents or the new ones, and at
// worst a file named .NAME.*.tmp lies beside it and can be deleted.
package secretfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Create writes a file that must not exist yet; the error wraps
// [fs.ErrExist] if it does, and the file there stays as it was.
func Create(path string, data []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return exists(path)
	}
	return write(path, data, func(tmp string) error {
		err := os.Link(tmp, path)
		if errors.Is(err, fs.ErrExist) {
			return exists(path)
		}
		if err == nil {
			return os.Remove(tmp)
		}
		// File systems of USB sticks have no hard links. An empty file
		// reserves the name there; a crash before the rename leaves it.
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return exists(path)
		}
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return os.Rename(tmp, path)
	})
}

func exists(path string) error {
	return fmt.Errorf("%s: %w: choose another name or move it away", path, fs.ErrExist)
}

// Replace writes a file in place of the one that has the name, if any. A
// symbolic link is followed; anything but a regular file is refused.
func Replace(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	return write(path, data, func(tmp string) error { return os.Rename(tmp, path) })
}

// write puts data into a temporary file beside path and lets place give it
// the final name.
func write(path string, data []byte, place func(tmp string) error) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	back, err := os.ReadFile(tmp)
	if err != nil {
		return err
	}
	defer clear(back)
	if !bytes.Equal(back, data) {
		return fmt.Errorf("%s: what was read back differs from what was written: check the disk", path)
	}
	if err := place(tmp); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be flushed there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxSecret bounds what ReadSecret reads, in bytes.
const maxSecret = 64 << 10

// ReadSecret reads a passphrase, a mnemonic or another secret. Exactly one
// newline at the end (\n or \r\n) is not part of it. A secret that is empty
// or longer than 64 KiB is refused, as is a regular file that group or others
// have any access to. The caller wipes the result.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s: mode %04o lets other users at the secret: run chmod 600 %s", path, mode.Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		clear(data)
		return nil, err
	}
	if len(data) > maxSecret {
		clear(data)
		return nil, fmt.Errorf("%s: longer than %d bytes: not a secret", path, maxSecret)
	}
	if rest, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		data = bytes.TrimSuffix(rest, []byte("\r"))
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s: holds no secret, it is empty", path)
	}
	return data, nil
}
