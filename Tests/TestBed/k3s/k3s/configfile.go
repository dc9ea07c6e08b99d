package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v2"
)

const defaultConfigFile = "/etc/rancher/k3s/config.yaml"

// configArguments turns config.yaml and config.yaml.d/*.yaml into `--key=value` arguments. A later file replaces a key,
// `key+` appends to it, and a key that the command does not know is only logged: a typo silently changes nothing, as in k3s.
func configArguments(path string, known *pflag.FlagSet) ([]string, error) {
	if path == "" {
		path = defaultConfigFile
	}
	files, err := configFiles(path)
	if err != nil {
		return nil, err
	}
	var order []string
	values := map[string][]string{}
	for _, file := range files {
		entries, err := readConfigFile(file)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			key := fmt.Sprint(entry.Key)
			appends := strings.HasSuffix(key, "+")
			key = strings.TrimSuffix(key, "+")
			if _, seen := values[key]; !seen {
				order = append(order, key)
			}
			if !appends {
				values[key] = nil
			}
			values[key] = append(values[key], texts(entry.Value)...)
		}
	}
	var args []string
	for _, key := range order {
		if known.Lookup(key) == nil {
			logrus.Warnf("Unknown flag --%s found in config.yaml, skipping", key)
			continue
		}
		for _, value := range values[key] {
			args = append(args, "--"+key+"="+value)
		}
	}
	return args, nil
}

func configFiles(path string) ([]string, error) {
	var files []string
	if _, err := os.Stat(path); err == nil {
		files = append(files, path)
	} else if !os.IsNotExist(err) {
		return nil, err
	}
	dropIns, err := os.ReadDir(path + ".d")
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var names []string
	for _, entry := range dropIns {
		if extension := filepath.Ext(entry.Name()); extension == ".yaml" || extension == ".yml" {
			names = append(names, filepath.Join(path+".d", entry.Name()))
		}
	}
	sort.Strings(names)
	return append(files, names...), nil
}

func readConfigFile(path string) (yaml.MapSlice, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var entries yaml.MapSlice
	if err := yaml.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

func texts(value interface{}) []string {
	switch v := value.(type) {
	case nil:
		return []string{""}
	case []interface{}:
		var out []string
		for _, item := range v {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	return []string{fmt.Sprint(value)}
}
