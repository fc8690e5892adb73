package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"zombiezen.com/go/sqlite"
)

// bind gives a statement's placeholder its value, by the rules of database/sql.
func bind(s *sqlite.Stmt, i int, v any) error {
	switch v := v.(type) {
	case nil:
		s.BindNull(i)
	case string:
		s.BindText(i, v)
	case int64:
		s.BindInt64(i, v)
	case int:
		s.BindInt64(i, int64(v))
	case bool:
		s.BindBool(i, v)
	case float64:
		s.BindFloat(i, v)
	case []byte:
		if v == nil {
			s.BindNull(i)
		} else {
			s.BindBytes(i, v)
		}
	default:
		plain, err := driver.DefaultParameterConverter.ConvertValue(v)
		if err != nil {
			return err
		}
		switch plain.(type) {
		case nil, string, int64, bool, float64, []byte:
			return bind(s, i, plain)
		}
		return fmt.Errorf("a %T cannot be stored", v)
	}
	return nil
}

// scanColumn reads a column into what dest points to, by the rules of database/sql.
func scanColumn(s *sqlite.Stmt, i int, dest any) error {
	switch d := dest.(type) {
	case *string:
		*d = s.ColumnText(i)
		return noNull(s, i, *d == "")
	case *int64:
		*d = s.ColumnInt64(i)
		return noNull(s, i, *d == 0)
	case *int:
		*d = int(s.ColumnInt64(i))
		return noNull(s, i, *d == 0)
	case *bool:
		*d = s.ColumnInt64(i) != 0
		return noNull(s, i, !*d)
	case *float64:
		*d = s.ColumnFloat(i)
		return noNull(s, i, *d == 0)
	case *[]byte:
		*d = columnBytes(s, i)
		return nil
	case *any:
		*d = columnValue(s, i)
		return nil
	case *micros:
		us := s.ColumnInt64(i)
		*d = micros(Time(us))
		return noNull(s, i, us == 0)
	case sql.Scanner:
		return d.Scan(columnValue(s, i))
	}
	v := reflect.ValueOf(dest)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("a %T is nothing to scan into", dest)
	}
	return scanKind(s, i, v.Elem())
}

// scanKind reads a column into a named type, or a pointer that NULL makes nil.
func scanKind(s *sqlite.Stmt, i int, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if s.ColumnIsNull(i) {
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return scanColumn(s, i, v.Interface())
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(s.ColumnText(i))
	case v.CanInt():
		v.SetInt(s.ColumnInt64(i))
	case v.CanUint():
		v.SetUint(uint64(s.ColumnInt64(i)))
	case v.CanFloat():
		v.SetFloat(s.ColumnFloat(i))
	case v.Kind() == reflect.Bool:
		v.SetBool(s.ColumnInt64(i) != 0)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(columnBytes(s, i))
		return nil
	default:
		return fmt.Errorf("a column cannot be read into a %s", v.Type())
	}
	return noNull(s, i, v.IsZero())
}

var errNull = errors.New("it is NULL, for which there is no place")

// noNull refuses a NULL where the caller has no place for it. Only a value
// that came out empty can be one.
func noNull(s *sqlite.Stmt, i int, empty bool) error {
	if empty && s.ColumnIsNull(i) {
		return errNull
	}
	return nil
}

func columnBytes(s *sqlite.Stmt, i int) []byte {
	if s.ColumnIsNull(i) {
		return nil
	}
	b := make([]byte, s.ColumnLen(i))
	s.ColumnBytes(i, b)
	return b
}

// columnValue is a column as database/sql hands it to a Scanner.
func columnValue(s *sqlite.Stmt, i int) any {
	switch s.ColumnType(i) {
	case sqlite.TypeInteger:
		return s.ColumnInt64(i)
	case sqlite.TypeFloat:
		return s.ColumnFloat(i)
	case sqlite.TypeText:
		return s.ColumnText(i)
	case sqlite.TypeBlob:
		return columnBytes(s, i)
	case sqlite.TypeNull:
	}
	return nil
}
