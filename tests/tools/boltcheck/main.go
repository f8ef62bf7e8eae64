// boltcheck asks Go's own bbolt about a file that requorum wrote: is it sound, what is in it, and
// can it be written to? Prints one line per row: hex of bucket path, of key, of value ("-" for none).
//
//	boltcheck FILE          check and dump, read-only
//	boltcheck FILE write    then write to it: 1000 rows a bucket, delete two of three and every other old row, check again
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 1 {
		return fmt.Errorf("usage: boltcheck FILE [write]")
	}
	write := len(args) > 1 && args[1] == "write"
	db, err := bbolt.Open(args[0], 0o600, &bbolt.Options{ReadOnly: !write, NoFreelistSync: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := check(db); err != nil {
		return fmt.Errorf("as written: %w", err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if err := db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return dump(out, hex.EncodeToString(name), b) })
	}); err != nil || !write {
		return err
	}
	if err := db.Update(put); err != nil {
		return fmt.Errorf("putting: %w", err)
	}
	if err := check(db); err != nil {
		return fmt.Errorf("after putting: %w", err)
	}
	if err := db.Update(remove); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	return check(db)
}

func check(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
}

func dump(out *bufio.Writer, path string, b *bbolt.Bucket) error {
	fmt.Fprintf(out, "%s - -\n", path)
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return dump(out, path+"/"+hex.EncodeToString(k), b.Bucket(k))
		}
		_, err := fmt.Fprintf(out, "%s %s %s\n", path, hex.EncodeToString(k), hex.EncodeToString(v))
		return err
	})
}

func put(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
		for i := range 1000 {
			key := fmt.Sprintf("%c-boltcheck-%04d", 'A'+i%60, i)
			if err := b.Put([]byte(key), []byte(fmt.Sprintf("value %d", i))); err != nil {
				return err
			}
		}
		return nil
	})
}

func remove(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
		var doomed [][]byte
		i := 0
		if err := b.ForEach(func(k, v []byte) error {
			if i++; v != nil && i%3 != 0 {
				doomed = append(doomed, append([]byte(nil), k...))
			}
			return nil
		}); err != nil {
			return err
		}
		for _, key := range doomed {
			if err := b.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}
