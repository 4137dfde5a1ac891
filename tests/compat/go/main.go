// What users of franz-go and of sarama do. Usage: compat HOST:PORT
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Records have to be younger than the retention.
var baseMs = time.Now().Unix()*1000 - 200_000

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T comparable](got, want T) {
	if got != want {
		panic(fmt.Sprintf("got %v, want %v", got, want))
	}
}

func waitFor(what string, condition func() bool) {
	for until := time.Now().Add(30 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			panic("not after 30 s: " + what)
		}
	}
}

func run(name string, check func(context.Context, string), address string) (ok bool) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Printf("FAIL %s: %v\n", name, problem)
			return
		}
		fmt.Printf("ok   %s (%.1f s)\n", name, time.Since(begun).Seconds())
	}()
	check(ctx, address)
	return true
}

func main() {
	checks := []struct {
		name  string
		check func(context.Context, string)
	}{
		{"franz codecs", franzCodecs}, {"franz group", franzGroup},
		{"franz transactions", franzTransactions}, {"franz admin", franzAdmin},
		{"sarama codecs", saramaCodecs}, {"sarama group", saramaGroup},
		{"sarama transactions", saramaTransactions}, {"sarama admin", saramaAdminChecks},
	}
	passed, failed := 0, 0
	for _, c := range checks {
		if run(c.name, c.check, os.Args[1]) {
			passed++
		} else {
			failed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
