package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseFindsTheSubcommandBehindGlobalOptions(t *testing.T) {
	cases := map[string]struct {
		arguments []string
		want      call
	}{
		"containerd's create": {
			[]string{"--root", "/run/containerd/runc/k8s.io", "--log", "/b/log.json", "--log-format", "json", "create", "--bundle", "/b", "--pid-file", "/b/init.pid", "id"},
			call{name: "create", bundle: "/b"},
		},
		"an inline value":    {[]string{"--root=/r", "create", "--bundle=/b", "id"}, call{name: "create", bundle: "/b"}},
		"exec":               {[]string{"--root", "/r", "exec", "--process", "/p.json", "--detach", "id"}, call{name: "exec", bundle: ".", process: "/p.json"}},
		"a flag before":      {[]string{"--debug", "state", "id"}, call{name: "state", bundle: "."}},
		"no subcommand":      {[]string{"--version"}, call{bundle: "."}},
		"an id named as one": {[]string{"--root", "create", "kill", "id"}, call{name: "kill", bundle: "."}},
	}
	for name, c := range cases {
		if got := parse(c.arguments); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestContainerGetsItsLimitTimesTheSpeed(t *testing.T) {
	slow := node{Runc: "runc", CgroupParent: "/fd-x/n", CPUs: 2, Speed: 0.06, PeriodMicros: 50_000, CPUSet: "1", Environment: map[string]string{"ISA": "SSE41"}}
	cases := map[string]struct {
		cpu           string
		quota, period int64
	}{
		"a limit of one CPU":        {`{"quota": 100000, "period": 100000}`, 3000, 50_000},
		"no limit: the whole node":  {`{}`, 6000, 50_000},
		"more than the node has":    {`{"quota": 900000, "period": 100000}`, 6000, 50_000},
		"too small for the period":  {`{"quota": 10000, "period": 100000}`, 1000, 166_667},
		"a limit that is unlimited": {`{"quota": -1, "period": 100000}`, 6000, 50_000},
	}
	for name, c := range cases {
		file := filepath.Join(t.TempDir(), "config.json")
		text := `{"kept": 12345678901234567890, "process": {"env": ["A=1", "ISA=AVX512"]}, "linux": {"cgroupsPath": "id", "resources": {"cpu": ` + c.cpu + `}}}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := edit(file, slow.slowContainer); err != nil {
			t.Fatal(err)
		}
		written, _ := os.ReadFile(file)
		type cpu struct {
			Quota, Period int64
			CPUs          string
		}
		var got struct {
			Kept    json.Number
			Process struct{ Env []string }
			Linux   struct {
				CgroupsPath string
				Resources   struct{ CPU cpu }
			}
		}
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatal(err)
		}
		if cpu := got.Linux.Resources.CPU; cpu.Quota != c.quota || cpu.Period != c.period || cpu.CPUs != "1" {
			t.Errorf("%s: got %d per %d, want %d per %d", name, cpu.Quota, cpu.Period, c.quota, c.period)
		}
		if want := []string{"A=1", "ISA=SSE41"}; !reflect.DeepEqual(got.Process.Env, want) {
			t.Errorf("%s: environment %v, want %v", name, got.Process.Env, want)
		}
		if got.Linux.CgroupsPath != "/fd-x/n/id" || got.Kept != "12345678901234567890" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
