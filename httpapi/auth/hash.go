package auth

import "golang.org/x/crypto/bcrypt"

// Hasher makes and checks the hashes of passwords. Its methods may be called
// from any goroutine.
type Hasher interface {
	// Hash is the hash of password.
	Hash(password string) (string, error)

	// Matches reports whether hash is that of password.
	Matches(hash, password string) bool

	// Valid reports whether hash can be the hash of any password.
	Valid(hash string) bool
}

// significant is how much of a password counts, in bytes: bcrypt looks no
// further.
const significant = 72

// cut is the part of password that counts.
func cut(password string) string { return password[:min(len(password), significant)] }

// appendSignificant appends what bcrypt sees of password: it goes round in it,
// with a zero byte at the end, until it has enough.
func appendSignificant(b []byte, password string) []byte {
	for end := len(b) + significant; ; b = append(b, 0) {
		if b = append(b, password[:min(len(password), end-len(b))]...); len(b) == end {
			return b
		}
	}
}

// Bcrypt is the Hasher of etcd's records.
type Bcrypt struct {
	Cost int // of new hashes, from 4 to 31; default 10
}

// Hash is a $2a$ hash of password.
func (b Bcrypt) Hash(password string) (string, error) {
	cost := b.Cost
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(cut(password)), cost)
	return string(hash), err
}

// Matches takes as long for a wrong password as for the right one.
func (Bcrypt) Matches(hash, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(cut(password))) == nil
}

// Valid looks at the form of hash only.
func (Bcrypt) Valid(hash string) bool {
	_, err := bcrypt.Cost([]byte(hash))
	return err == nil
}
