package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestWalkedParts(t *testing.T) {
	const out = `Through the API at http://127.0.0.1:5000/identity/v3
[ 1/12] project demo and its user demo     role member, project 40070df5452e4ce392e8f90713814f3b   0.07s
[ 9/12] server                             3f92d8b4-e4cc-4b95-8095-02fb8fa0950d             0.00s
[11/12] floating IP                        172.24.4.11 → 10.20.0.3                         10.25s
[12/12] a command over ssh inside the guest first, Linux 6.1.0-56-cloud-amd64, 11.29 1.43    0.38s

Server 3f92d8b4 runs; the whole path took 0.6s.
`
	var got []string
	if err := walkedParts([]byte(out), func(part string, took time.Duration) { got = append(got, fmt.Sprint(part, " ", took)) }); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"project demo and its user demo 70ms", "server 0s", "floating IP 10.25s", "a command over ssh inside the guest 380ms",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
