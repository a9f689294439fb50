package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the files of migrations in name order; PRAGMA user_version
// counts those applied. A database from a newer Larder is refused, untouched.
func migrate(ctx context.Context, h *handle, schema fs.FS) error {
	files, err := fs.Glob(schema, "migrations/*.sql")
	if err != nil {
		return err
	}
	var have int
	err = run(ctx, h, func(tx *Tx) error { return tx.QueryRow("PRAGMA user_version").Scan(&have) }, (*Tx).commit)
	if err != nil {
		return err
	}
	if have > len(files) {
		return fmt.Errorf("the schema has version %d and this larder knows %d: install a newer larder", have, len(files))
	}
	for n := have; n < len(files); n++ {
		text, err := fs.ReadFile(schema, files[n])
		if err != nil {
			return err
		}
		err = run(ctx, h, func(tx *Tx) error {
			if _, err := tx.conn.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", n+1))
			return err
		}, (*Tx).commit)
		if err != nil {
			return fmt.Errorf("%s: %w", files[n], err)
		}
	}
	return nil
}
