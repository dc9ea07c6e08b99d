// images OUT PAUSE BUSYBOX writes the image archive the stand-in is released with: a pause image and a small web server in two
// versions, in the layout of `docker save`, which is what containerd imports.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// page is what hello serves; a test reads the version from it.
const page = "hello %s from homelab\n"

// start answers a SIGTERM at once: process 1 of a container gets no default action for it.
const start = "#!/bin/sh\ntrap 'exit 0' TERM INT\nhttpd -f -p \"${PORT:-8080}\" -h /www &\nwait\n"

var applets = []string{"sh", "httpd", "wget", "cat", "ls", "sleep", "env", "hostname", "id", "ps", "nslookup", "ip", "mount", "touch", "nc"}

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: images OUT PAUSE BUSYBOX"))
	}
	pause, err := os.ReadFile(os.Args[2])
	fail(err)
	busybox, err := os.ReadFile(os.Args[3])
	fail(err)
	archive := archive{}
	archive.image("homelab.local/pause:1", layer(entry{"pause", 0o755, pause, ""}), map[string]interface{}{"Entrypoint": []string{"/pause"}})
	for _, version := range []string{"1", "2"} {
		archive.image("homelab.local/hello:"+version, hello(busybox, version), map[string]interface{}{
			"Entrypoint":   []string{"/bin/hello"},
			"Env":          []string{"PATH=/bin", "VERSION=" + version},
			"ExposedPorts": map[string]interface{}{"8080/tcp": map[string]string{}},
		})
	}
	fail(archive.write(os.Args[1]))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func hello(busybox []byte, version string) []byte {
	entries := []entry{
		{"bin/busybox", 0o755, busybox, ""},
		{"bin/hello", 0o755, []byte(start), ""},
		{"www/index.html", 0o644, []byte(fmt.Sprintf(page, version)), ""},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"), ""},
	}
	for _, name := range applets {
		entries = append(entries, entry{"bin/" + name, 0o777, nil, "busybox"})
	}
	return layer(entries...)
}

// entry is one file of a layer; link makes it a symbolic link.
type entry struct {
	name string
	mode int64
	data []byte
	link string
}

func layer(entries ...entry) []byte {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, dir := range []string{"bin/", "etc/", "www/", "tmp/", "proc/", "sys/", "dev/"} {
		fail(w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: time.Unix(0, 0)}))
	}
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: time.Unix(0, 0)}
		if e.link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
		}
		fail(w.WriteHeader(header))
		_, err := w.Write(e.data)
		fail(err)
	}
	fail(w.Close())
	return buffer.Bytes()
}

// archive collects images that may share layers.
type archive struct {
	manifest []map[string]interface{}
	entries  []entry
}

func (a *archive) image(name string, layer []byte, config map[string]interface{}) {
	id := sum(layer)
	text, err := json.Marshal(map[string]interface{}{
		"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": config,
		"rootfs":  map[string]interface{}{"type": "layers", "diff_ids": []string{"sha256:" + id}},
		"history": []map[string]string{{"created": "1970-01-01T00:00:00Z", "created_by": "homelab's test bed"}},
	})
	fail(err)
	a.entries = append(a.entries, entry{id + "/layer.tar", 0o644, layer, ""}, entry{sum(text) + ".json", 0o644, text, ""})
	a.manifest = append(a.manifest, map[string]interface{}{
		"Config": sum(text) + ".json", "RepoTags": []string{name}, "Layers": []string{id + "/layer.tar"},
	})
}

func (a *archive) write(path string) error {
	text, err := json.Marshal(a.manifest)
	fail(err)
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range append(a.entries, entry{"manifest.json", 0o644, text, ""}) {
		fail(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: time.Unix(0, 0)}))
		_, err := w.Write(e.data)
		fail(err)
	}
	fail(w.Close())
	return os.WriteFile(path, buffer.Bytes(), 0o644)
}

func sum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}
