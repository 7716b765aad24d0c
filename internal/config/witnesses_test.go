package config

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const aWitnessKey = "w.example.com+3f6b1c2a+BAO8TTSnB7c56VpO1op8NOA5GY8sQqJaiBN5d8sFe3ce"

func TestWitnesses(t *testing.T) {
	t.Parallel()
	read := func(text string) (*Config, error) {
		folder := company(t)
		folder[witnessesFile] = &fstest.MapFile{Mode: 0o640, Data: []byte(text)}
		return LoadFS(folder, "/etc/lessor")
	}
	one := "witnesses: [{id: a, url: \"https://w.example.com/\", key: " + aWitnessKey + "}]\n"
	c, err := read("quorum: 1\nwithin: 5m\n" + one)
	if err != nil || c.Witnesses.Quorum != 1 || c.Witnesses.Within != 5*time.Minute || len(c.Witnesses.List) != 1 || c.Witnesses.List[0].Key != aWitnessKey {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = read(one); err != nil || c.Witnesses.Quorum != 0 || c.Witnesses.Within != time.Minute {
		t.Errorf("without a quorum: %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"quorum: 2\n" + one: "quorum is 2 and there are 1 witnesses",
		"quorum: 0\n" + one: "a number from 1 to 16",
		"witnesses: []\n":   "there is no witness",
		"witnesses: [{id: a, url: \"https://w.example.com/\", key: " + aWitnessKey + "}, {id: a, url: \"ftp://x\", key: " + aWitnessKey + "}]\n": "one of them counted twice would be no quorum",
		strings.Replace(one, "https://", "https://me:secret@", 1):                                                                                "without a password",
		strings.Replace(one, "+BAO8", "+AAO8", 1):                                                                                                "key must be the witness' public key",
		strings.Replace(one, "id: a", "id: a, weight: 3", 1):                                                                                     "weight",
		strings.Replace(one, "witnesses:", "within: 2y\nwitnesses:", 1):                                                                          "within",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), witnessesFile) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
