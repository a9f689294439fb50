package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the files of migrations in name order; PRAGMA user_version
// counts those applied. A database from a newer Larder is refused, untouched.
func migrate(ctx context.Context, d *sql.DB, schema fs.FS) error {
	files, err := fs.Glob(schema, "migrations/*.sql")
	if err != nil {
		return err
	}
	var have int
	if err := d.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
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
		err = run(ctx, d, func(tx *Tx) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", n+1))
			return err
		}, (*Tx).Commit)
		if err != nil {
			return fmt.Errorf("%s: %w", files[n], err)
		}
	}
	return nil
}
