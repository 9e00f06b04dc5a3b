package httpapi

import (
	"fmt"
	"net/http"

	"concordat/ledger/backup"
)

// maxBackups is how many backups are written at once: each reads the whole ledger.
const maxBackups = 1

// backup answers GET /v1/operator/backup, for whoever has the operator's token:
// the ledger as it is now, as a file to restore from (package ledger/backup).
func (a *api) backup(w http.ResponseWriter, r *http.Request) error {
	if err := a.operator(w, r, "a backup"); err != nil {
		return err
	}
	if err := a.backups.enter(r.Context(), "backups"); err != nil {
		return err
	}
	defer a.backups.leave()
	return a.node.Backup(a.pace.writer(w), func(m backup.Manifest) {
		w.Header().Set("Content-Type", "application/vnd.concordat.backup")
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="concordat-%d.backup"`, m.Size))
		w.Header().Set("Cache-Control", "no-store")
	})
}
