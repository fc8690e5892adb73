package identity

// Page is a part of a list: what fits the client's limit and the cloud's own.
type Page[T any] struct {
	Rows      []T
	More      bool // there are further rows
	Truncated bool // the cloud's list limit cut the answer
}

// limited asks for one row more than will be shown, to know whether there are more.
func (s *Service) limited(q Query) Query {
	if top := s.cfg.ListLimit; top > 0 && (q.Limit == 0 || q.Limit > top) {
		q.Limit = top
	}
	if q.Limit > 0 {
		q.Limit++
	}
	return q
}

// page cuts what limited asked for; asked is the client's query.
func page[T any](s *Service, asked Query, rows []T) Page[T] {
	n := s.limited(asked).Limit - 1
	if n < 1 || len(rows) <= n {
		return Page[T]{Rows: rows}
	}
	return Page[T]{Rows: rows[:n], More: true, Truncated: s.cfg.ListLimit > 0 && n == s.cfg.ListLimit && asked.Limit != n}
}
