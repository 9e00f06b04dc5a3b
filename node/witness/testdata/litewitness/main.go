// Command preparedb prepares the database of a litewitness: it tells it of one
// log and of the log's keys. What torchwood brings for that, witnessctl, cannot
// be built from the module proxy alone. This is a module of its own so that
// litewitness and its database stay out of Concordat's.
package main

import (
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// The tables are those of litewitness v0.9.0, internal/witness.
const tables = `
	CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
	CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
`

// emptyRoot is the root of the empty tree, in base64.
const emptyRoot = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: preparedb DATABASE ORIGIN VKEY…")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path, origin string, keys []string) (err error) {
	db, err := sqlite.OpenConn(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := db.Close(); err == nil {
			err = closed
		}
	}()
	if err := sqlitex.ExecScript(db, tables); err != nil {
		return err
	}
	exec := func(query string, args ...any) error {
		return sqlitex.Execute(db, query, &sqlitex.ExecOptions{Args: args})
	}
	if err := exec("INSERT INTO log(origin, tree_size, tree_hash) VALUES (?, 0, ?)", origin, emptyRoot); err != nil {
		return err
	}
	for _, k := range keys {
		if err := exec("INSERT INTO key(origin, key) VALUES (?, ?)", origin, k); err != nil {
			return err
		}
	}
	return nil
}
