package store

import "context"

type interruptKey struct{}

// Interrupt returns a context under which f is asked before every statement and every
// commit; its error is the statement's. Tests use it to see what is left of a request
// whose database fails in the midst.
func Interrupt(ctx context.Context, f func(query string) error) context.Context {
	return context.WithValue(ctx, interruptKey{}, f)
}

// interruptible is the session as the context wants it.
func interruptible(ctx context.Context, in session) session {
	if f, ok := ctx.Value(interruptKey{}).(func(string) error); ok {
		return interrupted{in, f}
	}
	return in
}

// interrupted is a session that asks before each step.
type interrupted struct {
	session
	ask func(query string) error
}

func (s interrupted) exec(ctx context.Context, query string, args []any) (int64, error) {
	if err := s.ask(query); err != nil {
		return 0, err
	}
	return s.session.exec(ctx, query, args)
}

func (s interrupted) query(ctx context.Context, query string, args []any) (rows, error) {
	if err := s.ask(query); err != nil {
		return nil, err
	}
	return s.session.query(ctx, query, args)
}

func (s interrupted) commit() error {
	if err := s.ask("COMMIT"); err != nil {
		return err
	}
	return s.session.commit()
}
